//! Checking a recipe's knobs: the error names the first that makes no sense, and its value.

use crate::error::{Error, Result};

/// A knob: its name, its value, what values make sense, and whether this one does.
pub(super) type Knob = (&'static str, f64, &'static str, bool);

/// Fails at the first senseless knob of `recipe`.
///
/// # Errors
/// [`Error::Config`], naming recipe, field and value.
pub(super) fn check(recipe: &str, knobs: &[Knob]) -> Result<()> {
    match knobs.iter().find(|(.., sound)| !sound) {
        Some((field, value, expected, _)) => {
            Err(Error::Config(format!("{recipe} option `{field}` is {value}, expected {expected}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_senseless_knob_is_named() {
        let knobs = [("a", 1.0, "anything", true), ("b", -2.5, "0 or more", false), ("c", 0.0, "1", false)];
        assert_eq!(check("toast", &knobs).unwrap_err().to_string(), "toast option `b` is -2.5, expected 0 or more");
        assert!(check("toast", &knobs[..1]).is_ok());
    }
}
