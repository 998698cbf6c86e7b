//! Number of speakers to look for.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Maximum number of speakers of a signal.
const MAX: usize = 50;

/// How many speakers a signal has. The default is unknown: they are counted.
///
/// ```
/// use persona_engine::{Options, Speakers};
///
/// let options = Options { speakers: Some(Speakers::exactly(2)), ..Options::default() };
/// assert_eq!("2..4".parse::<Speakers>()?, Speakers { min: 2, max: 4 });
/// # let _ = options;
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speakers {
    /// At least so many, if there is speech of so many; 1 or more.
    pub min: usize,
    /// At most so many; up to 50.
    pub max: usize,
}

impl Default for Speakers {
    fn default() -> Self {
        Self { min: 1, max: MAX }
    }
}

impl Speakers {
    /// A known number.
    pub fn exactly(number: usize) -> Self {
        Self { min: number, max: number }
    }

    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::Usage`] with the numbers.
    pub(in crate::engine) fn check(self) -> Result<()> {
        let Self { min, max } = self;
        if 1 <= min && min <= max && max <= MAX {
            return Ok(());
        }
        Err(Error::usage(format!("speakers: {min} to {max} is not a range of numbers between 1 and {MAX}")))
    }
}

impl FromStr for Speakers {
    type Err = Error;

    /// `auto`, a number such as `2`, or a range such as `2..4`, both ends included.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!(
                "speakers: `{}` is neither `auto`, nor a number such as 2, nor a range such as 2..4",
                text.escape_debug()
            ))
        };
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let speakers = match text.split_once("..") {
            None if text == "auto" => Self::default(),
            None => Self::exactly(number(text)?),
            Some((min, max)) => Self { min: number(min)?, max: number(max)? },
        };
        speakers.check()?;
        Ok(speakers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_parsed_and_checked() {
        assert_eq!("auto".parse::<Speakers>().unwrap(), Speakers { min: 1, max: 50 });
        assert_eq!("2".parse::<Speakers>().unwrap(), Speakers { min: 2, max: 2 });
        assert_eq!("2..4".parse::<Speakers>().unwrap(), Speakers { min: 2, max: 4 });
        for wrong in ["", "0", "51", "4..2", "2..", "..4", "two", "-1", "call.wav"] {
            let message = wrong.parse::<Speakers>().unwrap_err().to_string();
            assert!(message.starts_with("speakers: "), "{wrong}: {message}");
        }
    }
}
