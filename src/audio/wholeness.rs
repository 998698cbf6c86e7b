//! Wholeness of a recording: what its container promises, held against what was decoded.
//!
//! One rule for every container ([`Wholeness`] applies it):
//!
//! | found | by default | with [`Limits::accept_truncated`] |
//! |---|---|---|
//! | the decoded length differs from the promised one | error | warning with both numbers |
//! | the stream is cut, has a gap, changes its format, or a second recording follows | error | the audio before it, with a warning |
//! | packets that do not decode, up to [`DAMAGED_SHARE`] of the length | silence of the same length, a warning, and their number | the same |
//! | more of them | error | the same as above, up to [`ACCEPTED_SHARE`] |
//! | an irregularity that loses no sample | warning | warning |
//!
//! The verdict depends on the bytes alone: a file and a pipe give the same.

use super::limits::Limits;
use crate::error::{Error, Result};

/// Share of lost audio up to which a recording is used without
/// [`Limits::accept_truncated`]: 0.15 s of silence in a chunk of 3 s.
const DAMAGED_SHARE: f64 = 0.05;
/// Share of lost audio above which a recording is always refused.
const ACCEPTED_SHARE: f64 = 0.5;

/// Ends errors about input that is not whole.
const REMEDY: &str =
    "get the file again, or accept truncated input (accept_truncated; --accept-truncated on the command line)";

/// Applies the rule to one recording.
#[derive(Debug)]
pub(super) struct Wholeness {
    format: &'static str,
    accept_truncated: bool,
    damaged_packets: u64,
    /// Frames of silence in place of the damaged packets.
    lost_frames: u64,
    /// Time in seconds and description of the first damaged packet.
    first_damage: Option<(f64, String)>,
    warnings: Vec<String>,
}

impl Wholeness {
    /// `format` is the name in error messages.
    pub(super) fn new(format: &'static str, limits: &Limits) -> Self {
        Self {
            format,
            accept_truncated: limits.accept_truncated,
            damaged_packets: 0,
            lost_frames: 0,
            first_damage: None,
            warnings: Vec::new(),
        }
    }

    /// Warnings so far, in the order of their discovery.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of packets that did not decode and were replaced by silence.
    pub(super) fn damaged_packets(&self) -> u64 {
        self.damaged_packets
    }

    /// Reports an irregularity that loses no sample.
    pub(super) fn warn(&mut self, what: impl Into<String>) {
        self.warnings.push(what.into());
    }

    /// Counts `packets` at `at_s` seconds that did not decode. The caller replaces them by `frames`
    /// frames of silence.
    pub(super) fn lost(&mut self, packets: u64, frames: u64, at_s: f64, problem: &str) {
        self.damaged_packets += packets;
        self.lost_frames += frames;
        self.first_damage.get_or_insert_with(|| (at_s, problem.to_owned()));
    }

    /// Reports that the stream ends, or cannot be used further, after `decoded` frames: an error, or
    /// a warning if that is accepted and there was audio before.
    pub(super) fn incomplete(&mut self, problem: &str, decoded: u64) -> Result<()> {
        if self.accept_truncated && decoded > 0 {
            self.warnings.push(format!("{problem}; used the audio before it"));
            return Ok(());
        }
        Err(Error::malformed(self.format, format!("{problem}; {REMEDY} to use the audio before it")))
    }

    /// Holds `promised` frames, as stated by `by` (`the header`), against the `decoded` ones.
    pub(super) fn length(&mut self, by: &str, promised: u64, decoded: u64, rate_hz: u32) -> Result<()> {
        if promised == decoded {
            return Ok(());
        }
        let seconds = |frames: u64| frames as f64 / f64::from(rate_hz.max(1));
        let problem = format!(
            "{by} states {promised} frames ({:.3} s), the stream has {decoded} ({:.3} s)",
            seconds(promised),
            seconds(decoded)
        );
        self.incomplete(&problem, decoded)
    }

    /// At the end of the stream, which has `frames` frames with the silence: judges the share of
    /// damaged packets.
    pub(super) fn finish(&mut self, frames: u64) -> Result<()> {
        let Some((at_s, problem)) = &self.first_damage else { return Ok(()) };
        let share = self.lost_frames as f64 / frames.max(1) as f64;
        let what = format!(
            "{} packet(s) are damaged, {:.1} % of the audio, the first at {at_s:.3} s ({problem})",
            self.damaged_packets,
            100.0 * share
        );
        if share > ACCEPTED_SHARE {
            return Err(Error::malformed(self.format, format!("{what}: more than half; get the file again")));
        }
        if share > DAMAGED_SHARE && !self.accept_truncated {
            let most = 100.0 * DAMAGED_SHARE;
            return Err(Error::malformed(
                self.format,
                format!("{what}: more than {most:.0} %; {REMEDY} to replace them by silence"),
            ));
        }
        self.warnings.push(format!("{what}; replaced by silence"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(accept_truncated: bool) -> Wholeness {
        Wholeness::new("WAV", &Limits { accept_truncated, ..Limits::default() })
    }

    #[test]
    fn a_length_that_differs_is_an_error_or_a_warning_with_both_numbers() {
        assert!(rule(false).length("the header", 5, 5, 8000).is_ok());
        for (promised, decoded) in [(16_000, 8_000), (8_000, 16_000)] {
            let error = rule(false).length("the header", promised, decoded, 8000).unwrap_err().to_string();
            let mut accepting = rule(true);
            accepting.length("the header", promised, decoded, 8000).unwrap();
            for text in [&error, &accepting.warnings()[0]] {
                let words = ["16000", "(2.000 s)", "8000", "(1.000 s)"];
                assert!(words.iter().all(|word| text.contains(word)), "{text}");
            }
        }
        assert!(rule(true).length("the header", 5, 0, 8000).is_err(), "nothing was decoded");
    }

    #[test]
    fn damaged_packets_are_counted_and_refused_past_a_share() {
        let judged = |accept, lost: u64| {
            let mut rule = rule(accept);
            (0..lost).for_each(|k| rule.lost(1, 10, k as f64, "no code"));
            let verdict = rule.finish(1000);
            assert_eq!(rule.damaged_packets(), lost);
            verdict.map(|()| rule.warnings().len()).map_err(|error| error.to_string())
        };
        assert_eq!(judged(false, 0), Ok(0));
        assert_eq!(judged(false, 5), Ok(1));
        let refused = judged(false, 6).unwrap_err();
        assert!(
            refused.contains("6 packet(s) are damaged, 6.0 % of the audio, the first at 0.000 s (no code)"),
            "{refused}"
        );
        assert_eq!(judged(true, 50), Ok(1));
        assert!(judged(true, 51).unwrap_err().contains("more than half"));
    }
}
