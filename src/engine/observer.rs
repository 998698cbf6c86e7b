//! Who wants to know of a recording while it is being answered.

use crate::error::Result;

use super::timeline::Segment;

/// Told of a recording as it comes. Every method does nothing unless it is written; an error from any of them ends the recording.
///
/// What comes in which order does not depend on the number of threads for segments alone: first samples, then, some windows later, the
/// segments that lie in them. Nothing is kept after it was told, so what a recording needs of memory is up to the observer.
///
/// ```
/// use persona_engine::Result;
/// use persona_engine::engine::{Observer, Segment};
///
/// /// The longest pause, in segments.
/// #[derive(Default)]
/// struct Pauses { now: usize, longest: usize }
///
/// impl Observer for Pauses {
///     fn segment(&mut self, _channel: u16, segment: &Segment) -> Result<()> {
///         self.now = if segment.no_answer.is_some() { self.now + 1 } else { 0 };
///         self.longest = self.longest.max(self.now);
///         Ok(())
///     }
/// }
/// ```
pub trait Observer {
    /// What the headers say, before anything else. `lanes` is the number of signals that are answered apart: 1 for the mean of the channels.
    ///
    /// # Errors
    /// The observer's own.
    fn begins(&mut self, _sample_rate_hz: u32, _lanes: u16) -> Result<()> {
        Ok(())
    }

    /// The next samples of a channel, counted from 1; 0 is the mean of all channels. At the recording's own rate, full scale 1.
    ///
    /// # Errors
    /// The observer's own.
    fn samples(&mut self, _channel: u16, _samples: &[f32]) -> Result<()> {
        Ok(())
    }

    /// The next segment of a channel's timeline, if one was asked for ([`Options::timeline`](super::Options::timeline)).
    ///
    /// # Errors
    /// The observer's own.
    fn segment(&mut self, _channel: u16, _stretch: &Segment) -> Result<()> {
        Ok(())
    }
}

/// Wants to know nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullObserver;

impl Observer for NullObserver {}

/// Keeps the timelines, about 1 kB a segment: for those who need them whole.
#[derive(Debug, Default)]
pub struct Collector {
    /// One for each signal that is answered apart, in the order of channels.
    pub timelines: Vec<Vec<Segment>>,
}

impl Observer for Collector {
    fn begins(&mut self, _: u32, lanes: u16) -> Result<()> {
        self.timelines.resize(usize::from(lanes), Vec::new());
        Ok(())
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        if let Some(timeline) = self.timelines.get_mut(usize::from(channel.saturating_sub(1))) {
            timeline.push(segment.clone());
        }
        Ok(())
    }
}
