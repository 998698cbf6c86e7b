//! Progress of a run: a bar on a terminal, elsewhere a line every 30 s.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::numbers::{clock, thousands};

/// Interval of the lines if standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Errors that are printed; the results contain them all.
const ERRORS_SHOWN: usize = 20;

/// Progress of a run.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    all: usize,
    done: usize,
    /// Inputs that an interrupted run had done.
    before: usize,
    audio_s: f64,
    errors: usize,
    started: Instant,
    printed: Instant,
}

impl Progress {
    /// Progress of a run over `all` inputs of which `before` are done already.
    pub(super) fn new(all: usize, before: usize, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| bar(all, before));
        let now = Instant::now();
        Self { bar, quiet, all, done: before, before, audio_s: 0.0, errors: 0, started: now, printed: now }
    }

    /// Counts one input.
    pub(super) fn step(&mut self, audio_s: f64, error: Option<&str>, err: &mut dyn Write) -> io::Result<()> {
        self.done += 1;
        self.audio_s += audio_s;
        if let Some(error) = error {
            self.print_error(error, err)?;
        }
        let speed = self.speed();
        if let Some(bar) = &self.bar {
            bar.set_message(speed);
            bar.inc(1);
        } else if !self.quiet && self.printed.elapsed() >= LINE_EVERY {
            self.printed = Instant::now();
            let (done, all) = (thousands(self.done as u64), thousands(self.all as u64));
            writeln!(
                err,
                "persona-engine: {done} of {all} files, {speed}, {} left",
                clock(self.remaining().as_secs_f64())
            )?;
        }
        Ok(())
    }

    /// Prints the first errors, even if `quiet`.
    fn print_error(&mut self, error: &str, err: &mut dyn Write) -> io::Result<()> {
        self.errors += 1;
        let line = match self.errors {
            1..=ERRORS_SHOWN => format!("persona-engine: {error}"),
            n if n == ERRORS_SHOWN + 1 => {
                "persona-engine: more files failed; their errors are in the results".to_owned()
            }
            _ => return Ok(()),
        };
        match &self.bar {
            Some(bar) => bar.suspend(|| writeln!(err, "{line}")),
            None => writeln!(err, "{line}"),
        }
    }

    /// `1.24 h of audio, 85 × real time`
    pub(super) fn speed(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        format!("{:.2} h of audio, {:.0} × real time", self.audio_s / 3600.0, self.audio_s / seconds.max(1e-3))
    }

    /// Estimated time for the remaining inputs.
    fn remaining(&self) -> Duration {
        let done = (self.done - self.before).max(1) as f64;
        self.started.elapsed().mul_f64((self.all - self.done) as f64 / done)
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(all: usize, before: usize) -> ProgressBar {
    let template = "{wide_bar} {human_pos} of {human_len} files, {msg}, {eta} left";
    // The template is a valid constant; the default style is a fallback that is never used.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(all as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")).with_position(before as u64);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_errors_are_printed() {
        let (mut progress, mut err) = (Progress::new(1000, 0, true), Vec::new());
        for n in 0..1000 {
            progress.step(1.0, Some(&format!("{n}.wav: broken")), &mut err).unwrap();
        }
        let text = String::from_utf8(err).unwrap();
        assert_eq!(text.lines().count(), ERRORS_SHOWN + 1, "{text}");
        assert!(text.starts_with("persona-engine: 0.wav: broken\n") && text.ends_with("in the results\n"));
        assert!(progress.speed().starts_with("0.28 h of audio, "));
    }
}
