//! Cooperative control of a run: pause or cancel between bounded units of work.

use crate::error::Result;

/// Position in a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Seconds decoded.
    pub seconds: f64,
    /// Samples decoded, of all channels.
    pub samples: u64,
}

/// Cooperative checkpoint, called between bounded units of work: one block of at most 4096 frames
/// decoded, or (with one thread) one chunk of 3 s predicted; with more threads, a few chunks for
/// each of them.
///
/// A server uses it to let recordings take turns, to cancel those whose client is gone, and to
/// enforce limits.
pub trait Control {
    /// Called before each unit of work. It may block: meanwhile the run holds the recording's own
    /// buffers, but no work space of the network.
    ///
    /// # Errors
    /// Return an error to cancel; [`Engine::infer_with`](crate::Engine::infer_with) returns it.
    fn step(&mut self, progress: &Progress) -> Result<()>;
}

/// No control: runs to the end without pausing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoControl;

impl Control for NoControl {
    fn step(&mut self, _: &Progress) -> Result<()> {
        Ok(())
    }
}
