//! Keys of a configuration, each of which must be used, ignored by name, or refused.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The keys of a configuration that are not used yet.
pub(super) struct Keys {
    /// Name in errors, such as `config.json`.
    file: &'static str,
    keys: Map<String, Value>,
}

impl Keys {
    pub(super) fn new(file: &'static str, keys: Map<String, Value>) -> Self {
        Self { file, keys }
    }

    /// Takes a key's value, or `otherwise` if it is missing.
    pub(super) fn take(&mut self, key: &str, otherwise: impl Into<Value>) -> Value {
        self.keys.remove(key).unwrap_or_else(|| otherwise.into())
    }

    /// Takes a key whose value must be an integer of 0 or more.
    pub(super) fn count(&mut self, key: &str, otherwise: u64) -> Result<u64> {
        let value = self.take(key, otherwise);
        let wrong = || {
            Error::malformed("configuration", format!("{}: `{key}` is {value}, not an integer of 0 or more", self.file))
        };
        value.as_u64().ok_or_else(wrong)
    }

    /// Takes a key that must have the value `only`, the one that this engine supports, or be
    /// missing.
    pub(super) fn fixed(&mut self, key: &str, only: impl Into<Value>) -> Result<()> {
        let only = only.into();
        match self.keys.remove(key) {
            Some(value) if value != only => {
                Err(Error::Unsupported(format!("{}: `{key}` is {value}; only {only} is supported", self.file)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses keys that were not taken, except those of training and of other heads: `ignored` has
    /// names, or prefixes with a `*` at the end.
    pub(super) fn finish(self, ignored: &[&str]) -> Result<()> {
        let is_ignored = |key: &String| {
            ignored.iter().any(|name| name.strip_suffix('*').map_or(key == name, |prefix| key.starts_with(prefix)))
        };
        match self.keys.keys().find(|key| !is_ignored(key)) {
            None => Ok(()),
            Some(key) => Err(Error::Unsupported(format!(
                "{}: unknown key `{key}`, which may change the network; a newer version may support it",
                self.file
            ))),
        }
    }
}
