//! Range checks of options, and the error that names an invalid option and its value.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::error::Error;

/// An option whose value is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option `{option}` {problem}")]
pub struct InvalidOption {
    /// The option's name; of an option inside another, the path to it, such as `mel_opts.num_bins`.
    pub option: String,
    /// The value and what was expected instead: `is 1023, expected an even number`.
    pub problem: String,
}

impl InvalidOption {
    /// `expected` completes the sentence "option `n_fft` is 1023, expected …".
    pub(super) fn new(option: &str, value: impl Debug, expected: &str) -> Self {
        Self { option: option.to_owned(), problem: format!("is {value:?}, expected {expected}") }
    }

    /// Adds the name of the option that contains this one.
    pub(super) fn inside(self, parent: &str) -> Self {
        Self { option: format!("{parent}.{}", self.option), ..self }
    }
}

impl From<InvalidOption> for Error {
    fn from(invalid: InvalidOption) -> Self {
        Self::Usage(invalid.to_string())
    }
}

/// Fails unless `valid`; the arguments are those of [`InvalidOption::new`].
///
/// # Errors
/// [`InvalidOption`], with the option's name and its value.
pub(super) fn require(option: &str, value: impl Debug, valid: bool, expected: &str) -> Result<(), InvalidOption> {
    if valid { Ok(()) } else { Err(InvalidOption::new(option, value, expected)) }
}

/// Fails for a value outside of `range`, NaN included.
///
/// # Errors
/// [`InvalidOption`], with the option's name, its value and the range.
pub(crate) fn within<T: PartialOrd + Debug>(
    option: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), InvalidOption> {
    let expected = || format!("{:?} to {:?}", range.start(), range.end());
    if range.contains(&value) { Ok(()) } else { require(option, value, false, &expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_option_its_value_and_what_was_expected() {
        let message = |checked: Result<(), InvalidOption>| checked.unwrap_err().to_string();
        assert_eq!(message(require("n", 3, false, "an even number")), "option `n` is 3, expected an even number");
        assert_eq!(message(within("x", -2.5, 0.0..=1.0)), "option `x` is -2.5, expected 0.0 to 1.0");
        let inside = within("n", 9, 1..=2).map_err(|invalid| invalid.inside("outer"));
        assert_eq!(message(inside), "option `outer.n` is 9, expected 1 to 2");
        assert!(require("n", 3, true, "anything").is_ok());
    }

    #[test]
    fn a_range_includes_its_ends_and_excludes_nan() {
        assert!(within("x", 1.0, 1.0..=2.0).is_ok() && within("x", 2.0, 1.0..=2.0).is_ok());
        for value in [0.999, 2.001, f64::NAN] {
            assert!(within("x", value, 1.0..=2.0).is_err(), "{value}");
        }
    }
}
