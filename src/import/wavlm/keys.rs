//! A configuration taken apart key by key: what makes the network, what does not, and nothing that nobody knows.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A configuration's keys that nobody took yet.
pub(super) struct Keys {
    /// What the errors call it, such as `config.json`.
    file: &'static str,
    keys: Map<String, Value>,
}

impl Keys {
    pub(super) fn new(file: &'static str, keys: Map<String, Value>) -> Self {
        Self { file, keys }
    }

    /// Takes a key, or what stands for it where it is missing.
    pub(super) fn take(&mut self, key: &str, otherwise: impl Into<Value>) -> Value {
        self.keys.remove(key).unwrap_or_else(|| otherwise.into())
    }

    /// Takes a key whose value is a whole number from 0 up.
    pub(super) fn count(&mut self, key: &str, otherwise: u64) -> Result<u64> {
        let value = self.take(key, otherwise);
        let wrong =
            || Error::malformed("configuration", format!("{}: `{key}` is {value}, not a whole number", self.file));
        value.as_u64().ok_or_else(wrong)
    }

    /// Takes a key that must have one value, as it changes the network and this engine knows that value alone; missing, it has it.
    pub(super) fn fixed(&mut self, key: &str, only: impl Into<Value>) -> Result<()> {
        let only = only.into();
        match self.keys.remove(key) {
            Some(value) if value != only => {
                Err(Error::Unsupported(format!("{}: `{key}` is {value}; only {only} is known", self.file)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses keys that are left, but for those of training and of other heads: `left` are whole names or, with a `*` behind, beginnings.
    pub(super) fn finish(self, left: &[&str]) -> Result<()> {
        let is_left = |key: &String| {
            left.iter().any(|name| name.strip_suffix('*').map_or(key == name, |beginning| key.starts_with(beginning)))
        };
        match self.keys.keys().find(|key| !is_left(key)) {
            None => Ok(()),
            Some(key) => Err(Error::Unsupported(format!(
                "{}: unknown key `{key}`. It may change the network; a newer version may know it",
                self.file
            ))),
        }
    }
}
