//! What a recording may claim and how much of it may be held in memory.

use crate::error::{Error, Result};

/// Bounds on what is read. The defaults are this engine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lowest sample rate, Hz. Default 4000: below it, little of speech is left.
    pub min_rate_hz: u32,
    /// Highest sample rate, Hz. Default 384,000, the highest of common recorders.
    pub max_rate_hz: u32,
    /// Most channels. Default 64, the largest microphone arrays in use.
    pub max_channels: u16,
    /// Whether a recording that ends early or breaks in the middle gives what came before the break, with a warning.
    ///
    /// Default `false`: it is an error, because a cut recording looks like a whole one to everything that follows.
    pub accept_truncated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_rate_hz: 4_000, max_rate_hz: 384_000, max_channels: 64, accept_truncated: false }
    }
}

impl Limits {
    /// Refuses 0 Hz as malformed and a rate outside of the limits as unsupported.
    pub(super) fn check_rate(&self, rate_hz: u32, format: &'static str) -> Result<()> {
        if rate_hz == 0 {
            return Err(Error::malformed(format, "the sample rate is 0 Hz; the header is damaged, get the file again"));
        }
        if rate_hz < self.min_rate_hz || rate_hz > self.max_rate_hz {
            return Err(Error::Unsupported(format!(
                "a sample rate of {rate_hz} Hz; {} to {} Hz are read; resample it: ffmpeg -i IN -ar 16000 OUT.wav",
                self.min_rate_hz, self.max_rate_hz
            )));
        }
        Ok(())
    }

    /// Refuses 0 channels as malformed and too many as over the limit.
    pub(super) fn check_channels(&self, channels: u16, format: &'static str) -> Result<()> {
        if channels == 0 {
            return Err(Error::malformed(format, "it has 0 channels; the header is damaged, get the file again"));
        }
        if channels > self.max_channels {
            let (actual, limit) = (channels.into(), self.max_channels.into());
            return Err(Error::Limit { what: "the number of channels", actual, limit });
        }
        Ok(())
    }
}
