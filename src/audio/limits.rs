//! Limits of the decoders: sample rates, channels, and the handling of truncated recordings.

use crate::error::{Error, Result};

/// Limits of the decoders. The defaults are this engine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lowest sample rate, Hz. Default 4000: lower rates keep little of speech.
    pub min_rate_hz: u32,
    /// Highest sample rate, Hz. Default 384,000, the highest rate of common recorders.
    pub max_rate_hz: u32,
    /// Maximum number of channels. Default 64, as of the largest microphone arrays in use.
    pub max_channels: u16,
    /// Accept a truncated or damaged recording up to the damage, with a warning.
    ///
    /// Default `false`, an error, because later stages cannot tell a truncated recording from a
    /// complete one.
    pub accept_truncated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_rate_hz: 4_000, max_rate_hz: 384_000, max_channels: 64, accept_truncated: false }
    }
}

impl Limits {
    /// Refuses 0 Hz as malformed and a rate outside the limits as unsupported.
    pub(super) fn check_rate(&self, rate_hz: u32, format: &'static str) -> Result<()> {
        if rate_hz == 0 {
            return Err(Error::malformed(format, "the sample rate is 0 Hz; the header is damaged, get the file again"));
        }
        if rate_hz < self.min_rate_hz || rate_hz > self.max_rate_hz {
            return Err(Error::Unsupported(format!(
                "a sample rate of {rate_hz} Hz; {} to {} Hz are supported; resample it: ffmpeg -i IN -ar 16000 OUT.wav",
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
