//! How the recipe's parts are read from a manifest: nothing unknown, nothing out of range, and every error names its key.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A manifest's object, taken apart key by key.
pub(crate) type Object = Map<String, Value>;

/// An error in the manifest that names the key by its path, such as `frontend.n_fft`.
pub(crate) fn wrong(key: &str, what: impl Display) -> Error {
    Error::Config(format!("model file: manifest key `{key}`: {what}"))
}

/// The value of a key as the type `T`.
pub(crate) fn parse<T: DeserializeOwned>(key: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inside = error.path().to_string();
        let path = match inside.as_str() {
            "." => key.to_owned(),
            index if index.starts_with('[') => format!("{key}{index}"),
            field => format!("{key}.{field}"),
        };
        wrong(&path, error.inner())
    })
}

/// Takes a key that must be there out of an object.
pub(crate) fn take(object: &mut Object, key: &str) -> Result<Value> {
    object.remove(key).ok_or_else(|| wrong(key, "is missing"))
}

/// A part that says its `kind`: the kind, and the rest of the part.
pub(crate) fn kind_and_rest(key: &str, part: Value) -> Result<(String, Value)> {
    let Value::Object(mut rest) = part else { return Err(wrong(key, "an object with a `kind` was expected")) };
    match rest.remove("kind") {
        Some(Value::String(kind)) => Ok((kind, Value::Object(rest))),
        Some(other) => Err(wrong(&format!("{key}.kind"), format!("a name was expected, not {other}"))),
        None => Err(wrong(&format!("{key}.kind"), "is missing")),
    }
}

/// The error for a kind that this engine does not know.
pub(crate) fn unknown_kind(key: &str, kind: &str, known: &str) -> Error {
    wrong(&format!("{key}.kind"), format!("unknown kind `{kind}`; this version knows {known}"))
}

/// Refuses a value outside a range, NaN included.
pub(crate) fn within<T: PartialOrd + Display>(key: &str, value: &T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(value) {
        return Ok(());
    }
    Err(wrong(key, format!("{value} is outside {} to {}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[expect(dead_code, reason = "read by the Debug of a failed assertion alone")]
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
    }

    #[test]
    fn a_range_holds_its_ends_and_no_nan() {
        assert!(within("k", &1.0, 1.0..=2.0).is_ok() && within("k", &2.0, 1.0..=2.0).is_ok());
        for value in [0.999, 2.001, f64::NAN] {
            assert!(within("k", &value, 1.0..=2.0).is_err(), "{value}");
        }
    }
}
