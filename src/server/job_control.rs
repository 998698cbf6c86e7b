//! Control of a running recording: its time slices, its limits, and cancellation.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::limits::Limits;
use super::scheduler::SharedPermit;
use crate::engine::{Control, Progress};
use crate::error::{Error, Result};

/// The engine calls it between two steps.
pub(super) struct JobControl {
    pub(super) permit: SharedPermit,
    pub(super) limits: Limits,
    /// Set when nobody waits for the result any more.
    pub(super) cancelled: Arc<AtomicBool>,
}

impl JobControl {
    fn check(&self, progress: &Progress) -> Result<()> {
        if self.cancelled.load(Ordering::Acquire) {
            return Err(Error::Read(io::Error::new(ErrorKind::Interrupted, "the client disconnected")));
        }
        let seconds = self.limits.audio_seconds;
        if progress.seconds > seconds {
            let (actual, limit) = (progress.seconds.ceil() as u64, seconds as u64);
            return Err(Error::Limit { what: "the recording's duration in seconds", actual, limit });
        }
        if progress.samples > self.limits.decoded_samples {
            let (actual, limit) = (progress.samples, self.limits.decoded_samples);
            return Err(Error::Limit { what: "the number of samples of all channels, decoded,", actual, limit });
        }
        Ok(())
    }
}

impl Control for JobControl {
    fn step(&mut self, progress: &Progress) -> Result<()> {
        self.check(progress)?;
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).yield_now();
        Ok(())
    }
}
