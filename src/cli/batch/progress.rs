//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::thousands;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Errors that are shown one by one; the results have them all.
const ERRORS_SHOWN: usize = 20;

/// Shows a run.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    all: usize,
    done: usize,
    /// Inputs that an earlier run had done.
    before: usize,
    audio_s: f64,
    errors: usize,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// For a run over `all` inputs of which `before` are done already.
    pub(super) fn new(all: usize, before: usize, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| bar(all, before));
        let now = Instant::now();
        Self { bar, quiet, all, done: before, before, audio_s: 0.0, errors: 0, began: now, told: now }
    }

    /// One more input is done.
    pub(super) fn step(&mut self, audio_s: f64, error: Option<&str>, err: &mut dyn Write) -> io::Result<()> {
        self.done += 1;
        self.audio_s += audio_s;
        if let Some(error) = error {
            self.tell_error(error, err)?;
        }
        let speed = self.speed();
        if let Some(bar) = &self.bar {
            bar.set_message(speed);
            bar.inc(1);
        } else if !self.quiet && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let (done, all) = (thousands(self.done as u64), thousands(self.all as u64));
            writeln!(err, "persona-engine: {done} of {all} files, {speed}, {} left", clock(self.left()))?;
        }
        Ok(())
    }

    /// Errors are told even when all else is quiet, but not by the thousand.
    fn tell_error(&mut self, error: &str, err: &mut dyn Write) -> io::Result<()> {
        self.errors += 1;
        let line = match self.errors {
            1..=ERRORS_SHOWN => format!("persona-engine: {error}"),
            n if n == ERRORS_SHOWN + 1 => {
                "persona-engine: more files fail; the results have each with its error".to_owned()
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
        let seconds = self.began.elapsed().as_secs_f64();
        format!("{:.2} h of audio, {:.0} × real time", self.audio_s / 3600.0, self.audio_s / seconds.max(1e-3))
    }

    /// Time that the rest takes if it goes on like this.
    fn left(&self) -> Duration {
        let done = (self.done - self.before).max(1) as f64;
        self.began.elapsed().mul_f64((self.all - self.done) as f64 / done)
    }

    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(all: usize, before: usize) -> ProgressBar {
    let template = "{wide_bar} {human_pos} of {human_len} files, {msg}, {eta} left";
    // The template is a constant; with a fault in it the default style would do.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(all as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")).with_position(before as u64);
    bar.reset_eta();
    bar
}

/// `3:05`, `1:02:03`
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_but_not_by_the_thousand() {
        let (mut progress, mut err) = (Progress::new(1000, 0, true), Vec::new());
        for n in 0..1000 {
            progress.step(1.0, Some(&format!("{n}.wav: broken")), &mut err).unwrap();
        }
        let text = String::from_utf8(err).unwrap();
        assert_eq!(text.lines().count(), ERRORS_SHOWN + 1, "{text}");
        assert!(text.starts_with("persona-engine: 0.wav: broken\n") && text.ends_with("with its error\n"));
        assert!(progress.speed().starts_with("0.28 h of audio, "));
    }

    #[test]
    fn times_as_people_read_them() {
        assert_eq!([0, 59, 185, 3723].map(|s| clock(Duration::from_secs(s))), ["0:00", "0:59", "3:05", "1:02:03"]);
    }
}
