//! Limits and timeouts of the server. Each has an HTTP status of its own.

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Error, Result};

/// Limits and timeouts. The defaults are this server's own choice, for one machine that serves
/// people and programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Recordings computed at the same time, each on one thread. Default: number of CPUs.
    pub workers: usize,
    /// Requests that wait beyond those; more get 429. Default 64; each needs about 3 MB.
    pub queue: usize,
    /// Open connections; more get 503. Default 512.
    pub connections: usize,
    /// Bytes of a request body; more get 413. Default 10^9: 86 minutes of 48 kHz stereo WAV. Bodies
    /// are streamed, not held in memory; for M4A see `held_bytes`.
    pub body_bytes: u64,
    /// Bytes of an M4A that are held in memory, so that its index may follow its audio, as phones
    /// write it; the index of a larger file must come first. Default 16 MB: 35 minutes of 64
    /// kbit/s.
    pub held_bytes: u64,
    /// Duration of a recording in seconds; more gets 413. Default 7200.
    pub audio_seconds: f64,
    /// Decoded samples of a recording, over all channels; more get 413. Default 10^9: over two
    /// hours of 48 kHz stereo.
    pub decoded_samples: u64,
    /// Time from a request's header to its response; then 503. Default 300 s.
    pub request_time: Duration,
    /// Bytes of a request header; more get 431. Default 16 KiB.
    pub header_bytes: usize,
    /// Time to receive a header, and to keep an idle connection. Default 15 s.
    pub header_time: Duration,
    /// Time without progress in sending a body or reading a response; then 408. Default 10 s.
    pub patience: Duration,
    /// Minimum average rate of an upload in bytes per second, once the client was waited for longer
    /// than `patience`; below it 408. Default 1000: less than any telephone codec.
    pub body_rate: u64,
    /// Parts of a form; more get 413. Default 16.
    pub form_parts: usize,
    /// Time that running requests may take after the signal to stop. Default 30 s.
    pub grace: Duration,
}

/// Number of CPUs. Cached: the defaults are read a dozen times at start-up, and counting reads
/// files.
fn cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: cpus(),
            queue: 64,
            connections: 512,
            body_bytes: 1_000_000_000,
            held_bytes: 16_000_000,
            audio_seconds: 7200.0,
            decoded_samples: 1_000_000_000,
            request_time: Duration::from_mins(5),
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(15),
            patience: Duration::from_secs(10),
            body_rate: 1000,
            form_parts: 16,
            grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the field and its value.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("workers", self.workers, 1024),
            ("queue", self.queue, 100_000),
            ("connections", self.connections, 100_000),
            ("header_bytes", self.header_bytes, 1 << 20),
            ("form_parts", self.form_parts, 10_000),
        ];
        for (name, value, max) in counts {
            let min = usize::from(name != "queue");
            if value < min || value > max {
                return Err(Error::usage(format!("{name}: {value} is not between {min} and {max}")));
            }
        }
        if self.audio_seconds.is_nan() || self.audio_seconds <= 0.0 {
            return Err(Error::usage(format!("audio_seconds: {} must be greater than zero", self.audio_seconds)));
        }
        let times =
            [("request_time", self.request_time), ("header_time", self.header_time), ("patience", self.patience)];
        match times.iter().find(|(_, time)| time.is_zero()) {
            Some((name, _)) => Err(Error::usage(format!("{name} must be greater than zero"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start of the message, and a change that makes one field invalid.
    type Case = (&'static str, fn(&mut Limits));

    #[test]
    fn errors_name_the_field_and_its_value() {
        Limits::default().check().unwrap();
        Limits { queue: 0, ..Limits::default() }.check().unwrap();
        let cases: &[Case] = &[
            ("workers: 0", |l| l.workers = 0),
            ("workers: 1025", |l| l.workers = 1025),
            ("connections: 0", |l| l.connections = 0),
            ("header_bytes: 0", |l| l.header_bytes = 0),
            ("form_parts: 0", |l| l.form_parts = 0),
            ("audio_seconds: NaN", |l| l.audio_seconds = f64::NAN),
            ("audio_seconds: 0", |l| l.audio_seconds = 0.0),
            ("request_time", |l| l.request_time = Duration::ZERO),
            ("patience", |l| l.patience = Duration::ZERO),
        ];
        for (start, invalidate) in cases {
            let mut limits = Limits::default();
            invalidate(&mut limits);
            let message = limits.check().unwrap_err().to_string();
            assert!(message.starts_with(start), "{start}: {message}");
        }
    }
}
