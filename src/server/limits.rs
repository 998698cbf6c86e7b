//! What the server takes at most, and how long it waits. Each limit has its own refusal.

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Error, Result};

/// Bounds of the server. The defaults are this server's own: meant for one machine that answers files of people and programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Recordings that are computed at one time, each on a thread of its own. Default: the CPUs that there are.
    pub workers: usize,
    /// Requests that are taken in beyond those. Past them the answer is 429. Default 64; each holds about 3 MB.
    pub queue: usize,
    /// Connections at one time; past them 503. Default 512.
    pub connections: usize,
    /// Bytes of a request's body; past them 413. Default 10^9: 86 minutes of 48 kHz stereo as WAV. Bodies are not held, but see `held_bytes`.
    pub body_bytes: u64,
    /// Bytes of an M4A that are held so that its index may lie behind its sound, as telephones write it; a longer one needs its index in front. Default
    /// 16 MB: 35 minutes of 64 kbit/s.
    pub held_bytes: u64,
    /// Seconds of a recording; past them 413. Default 7200.
    pub audio_seconds: f64,
    /// Samples of a recording, of all channels, once decoded; past them 413. Default 10^9: two hours of 48 kHz stereo and more.
    pub decoded_samples: u64,
    /// Time from a request's header to its answer; past it 503. Default 300 s.
    pub request_time: Duration,
    /// Bytes of a request's header; past them 431. Default 16 KiB.
    pub header_bytes: usize,
    /// Time for a header to come in, and for an idle connection to be kept. Default 15 s.
    pub header_time: Duration,
    /// How long a client may send nothing of a body, or read nothing of an answer; past it 408. Default 10 s.
    pub patience: Duration,
    /// The slowest average of a body that is waited for, bytes per second, after the patience is used up. Default 1000: less than any
    /// telephone call.
    pub body_rate: u64,
    /// Parts of a form; past them 413. Default 16.
    pub form_parts: usize,
    /// After the signal to stop, how long what runs may take. Default 30 s.
    pub grace: Duration,
}

/// Asked once: each start takes a dozen defaults from here, and counting reads files of the system.
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
            request_time: Duration::from_secs(300),
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
    /// Checks every field once.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field and its value.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("workers", self.workers, 1024),
            ("queue", self.queue, 100_000),
            ("connections", self.connections, 100_000),
            ("header_bytes", self.header_bytes, 1 << 20),
            ("form_parts", self.form_parts, 10_000),
        ];
        let least = |name| usize::from(name != "queue");
        for (name, value, most) in counts {
            if value < least(name) || value > most {
                return Err(Error::Config(format!("{name}: {value} is not between {} and {most}", least(name))));
            }
        }
        if self.audio_seconds.is_nan() || self.audio_seconds <= 0.0 {
            return Err(Error::Config(format!("audio_seconds: {} is no duration", self.audio_seconds)));
        }
        let times =
            [("request_time", self.request_time), ("header_time", self.header_time), ("patience", self.patience)];
        match times.iter().find(|(_, time)| time.is_zero()) {
            Some((name, _)) => Err(Error::Config(format!("{name}: nothing can be done in no time"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the message begins with, and the field spoilt.
    type Case = (&'static str, fn(&mut Limits));

    #[test]
    fn each_wrong_limit_is_named_with_its_value() {
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
        for (what, spoil) in cases {
            let mut limits = Limits::default();
            spoil(&mut limits);
            let message = limits.check().unwrap_err().to_string();
            assert!(message.starts_with(what), "{what}: {message}");
        }
    }
}
