//! The control of a recording: between its blocks and windows it may be told to wait, or to stop.

use crate::error::Result;

/// How far a recording is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Seconds decoded.
    pub seconds: f64,
    /// Samples decoded, of all channels.
    pub samples: u64,
}

/// Has a say between two steps of a recording, each of which is bounded: one block of at most 4096 frames decoded, or (with one thread) one
/// window of 3 s answered; with more threads, a few windows for each of them.
///
/// A server lets many recordings take turns so, ends those that nobody waits for, and refuses those that are longer than it likes.
pub trait Control {
    /// Called before each step. It may wait; nothing but the recording's own signal is held meanwhile, no network's scratch.
    ///
    /// # Errors
    /// An error ends the recording, and is what [`Engine::infer`](super::Engine::infer) returns.
    fn step(&mut self, progress: &Progress) -> Result<()>;
}

/// As fast as it goes, to the end.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoControl;

impl Control for NoControl {
    fn step(&mut self, _: &Progress) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "embedded-weights")]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;
    use crate::engine::{Catalogue, Engine, Options, Recording, Report};
    use crate::error::Error;

    /// Counts steps, and stops at one.
    struct Counting {
        steps: Vec<Progress>,
        last: usize,
    }

    impl Control for Counting {
        fn step(&mut self, progress: &Progress) -> Result<()> {
            self.steps.push(*progress);
            if self.steps.len() > self.last { Err(Error::Config("stopped here".into())) } else { Ok(()) }
        }
    }

    fn run(engine: &Engine, last: usize) -> (Result<Report>, Vec<Progress>) {
        let speech = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio/speech.wav")).unwrap();
        let mut control = Counting { steps: Vec::new(), last };
        (engine.infer(Recording::stream(speech, "speech.wav"), &mut control), control.steps)
    }

    /// 66,627 samples are 17 blocks and an end; their two windows are two steps more.
    #[test]
    fn each_block_and_each_window_is_a_step_that_can_be_the_last() {
        let engine = Engine::new(Catalogue::of(&[]).system("xvector-cnn").unwrap(), Options::default()).unwrap();
        let (whole, steps) = run(&engine, usize::MAX);
        assert_eq!(whole.unwrap().windows, 2);
        assert_eq!(steps.first(), Some(&Progress::default()));
        let last = steps.last().unwrap();
        assert_eq!(last.samples as f64 / 16_000.0, last.seconds);
        assert_eq!(steps.len() as u64, last.samples.div_ceil(4096) + 2 + 2);
        for stopped in [0, 1, steps.len() - 1] {
            let (answer, taken) = run(&engine, stopped);
            assert!(answer.unwrap_err().to_string().contains("stopped here"));
            assert_eq!(taken, steps[..=stopped]);
        }
        let timid = engine.with_options(Options { min_confidence: 1.0, ..Options::default() }).unwrap();
        assert!(run(&timid, usize::MAX).0.unwrap().answers.emotion.is_none());
        assert!(engine.with_options(Options { threads: 0, ..Options::default() }).is_err());
    }
}
