//! Reading a manifest's keys: unknown keys and values out of range are errors that name the key by
//! its path.

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::dsp::{InvalidOption, invalid_option};
use crate::error::{Error, Result};

/// A manifest's object, from which keys are taken one by one.
pub(crate) type Object = Map<String, Value>;

/// An invalid key: its path, such as `frontend.n_fft`, and what is wrong with its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyError {
    pub(crate) path: String,
    pub(crate) problem: String,
}

impl KeyError {
    pub(crate) fn new(path: &str, problem: impl Display) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string() }
    }

    /// Prepends the key of the object that contains this one.
    pub(crate) fn inside(self, parent: &str) -> Self {
        let path = match self.path.as_str() {
            "" => parent.to_owned(),
            index if index.starts_with('[') => format!("{parent}{index}"),
            field => format!("{parent}.{field}"),
        };
        Self { path, ..self }
    }

    /// Refuses a value outside of a range, NaN included.
    pub(crate) fn within<T: PartialOrd + Debug>(path: &str, value: T, range: RangeInclusive<T>) -> Result<(), Self> {
        Ok(invalid_option::within(path, value, range)?)
    }

    /// Deserialises a value; paths are relative to it.
    pub(crate) fn deserialize<T: DeserializeOwned>(value: Value) -> Result<T, Self> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            Self::new(if path == "." { "" } else { &path }, error.inner())
        })
    }

    /// Takes the value of a key that must be present out of an object.
    pub(crate) fn take<T: DeserializeOwned>(object: &mut Object, key: &str) -> Result<T, Self> {
        let value = object.remove(key).ok_or_else(|| Self::new(key, "is missing"))?;
        Self::deserialize(value).map_err(|error| error.inside(key))
    }

    /// Splits an object into its `kind` and its other keys.
    pub(crate) fn kind_and_rest(part: Value) -> Result<(String, Object), Self> {
        let Value::Object(mut rest) = part else { return Err(Self::new("", "an object with a `kind` was expected")) };
        match rest.remove("kind") {
            Some(Value::String(kind)) => Ok((kind, rest)),
            Some(other) => Err(Self::new("kind", format!("a name was expected, not {other}"))),
            None => Err(Self::new("kind", "is missing")),
        }
    }

    /// The error for an unknown kind.
    pub(crate) fn unknown_kind(kind: &str, known: &str) -> Self {
        Self::new("kind", format!("unknown kind `{kind}`; this version knows {known}"))
    }
}

impl From<KeyError> for Error {
    fn from(KeyError { path, problem }: KeyError) -> Self {
        Self::Manifest(format!("manifest key `{path}`: {problem}"))
    }
}

impl From<InvalidOption> for KeyError {
    fn from(InvalidOption { option, problem }: InvalidOption) -> Self {
        Self { path: option, problem }
    }
}

/// An error in the manifest that names the key by its path.
pub(crate) fn wrong(key: &str, what: impl Display) -> Error {
    KeyError::new(key, what).into()
}

/// The value of a key as the type `T`.
pub(crate) fn parse<T: DeserializeOwned>(key: &str, value: Value) -> Result<T> {
    Ok(KeyError::deserialize(value).map_err(|error| error.inside(key))?)
}

/// Takes a key that must be present out of an object.
pub(crate) fn take(object: &mut Object, key: &str) -> Result<Value> {
    Ok(KeyError::take(object, key)?)
}

/// Splits the object `part` at `key` into its `kind` and its other keys.
pub(crate) fn kind_and_rest(key: &str, part: Value) -> Result<(String, Value)> {
    let (kind, rest) = KeyError::kind_and_rest(part).map_err(|error| error.inside(key))?;
    Ok((kind, Value::Object(rest)))
}

/// The error for an unknown kind of the object at `key`.
pub(crate) fn unknown_kind(key: &str, kind: &str, known: &str) -> Error {
    KeyError::unknown_kind(kind, known).inside(key).into()
}

/// Refuses a value outside of a range, NaN included.
pub(crate) fn within<T: PartialOrd + Debug>(key: &str, value: &T, range: RangeInclusive<T>) -> Result<()> {
    Ok(KeyError::within(key, value, range.start()..=range.end())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[expect(dead_code, reason = "only printed, by Debug when an assertion fails")]
        sizes: Vec<usize>,
    }

    #[test]
    fn errors_name_the_path_of_the_key() {
        let message = |value| parse::<Part>("part", value).unwrap_err().to_string();
        assert!(
            message(json!({"sizes": [1, -2]})).contains("`part.sizes[1]`"),
            "{}",
            message(json!({"sizes": [1, -2]}))
        );
        assert!(message(json!({"sizes": [], "size": 3})).contains("unknown field `size`"));
        assert!(message(json!({})).contains("`part`: missing field `sizes`"));
        assert!(parse::<Vec<u8>>("list", json!([1, "x"])).unwrap_err().to_string().contains("`list[1]`"));
    }

    #[test]
    fn a_value_out_of_range_is_an_error_of_the_manifest() {
        let error = within("k", &3, 1..=2).unwrap_err();
        assert_eq!(error.to_string(), "model file: manifest key `k`: is 3, expected 1 to 2");
        assert!(matches!(error, Error::Manifest(_)));
        assert!(within("k", &f64::NAN, 1.0..=2.0).is_err());
    }
}
