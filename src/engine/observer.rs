//! Observer: receives samples and segments of a recording while it is processed.

use crate::error::Result;

use super::timeline::Segment;

/// Receives a recording's samples and segments as they come. Every method does nothing by default;
/// an error from any of them ends the run.
///
/// The order of a channel's segments does not depend on the number of threads. Samples come first;
/// the segments that contain them follow some chunks later. The engine keeps nothing that it has
/// passed on, so the memory of a run is up to the observer.
///
/// ```
/// use persona_engine::{Observer, Result, Segment};
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
    /// Called first, with what the header says. `voices`: number of signals that are processed
    /// separately, 1 for the mean of the channels.
    ///
    /// # Errors
    /// The observer's own.
    fn begins(&mut self, _sample_rate_hz: u32, _voices: u16) -> Result<()> {
        Ok(())
    }

    /// The next samples of a channel, counted from 1; 0 is the mean of all channels. At the
    /// recording's own rate, full scale 1.
    ///
    /// # Errors
    /// The observer's own.
    fn samples(&mut self, _channel: u16, _samples: &[f32]) -> Result<()> {
        Ok(())
    }

    /// The next segment of a channel's timeline, if one is computed
    /// ([`Options::timeline`](crate::Options::timeline)).
    ///
    /// # Errors
    /// The observer's own.
    fn segment(&mut self, _channel: u16, _segment: &Segment) -> Result<()> {
        Ok(())
    }
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullObserver;

impl Observer for NullObserver {}

/// Keeps whole timelines, about 1 kB a segment.
#[derive(Debug, Default)]
pub struct Collector {
    /// One for each voice, in the order of channels.
    pub timelines: Vec<Vec<Segment>>,
}

impl Observer for Collector {
    fn begins(&mut self, _: u32, voices: u16) -> Result<()> {
        self.timelines.resize(usize::from(voices), Vec::new());
        Ok(())
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        if let Some(timeline) = self.timelines.get_mut(usize::from(channel.saturating_sub(1))) {
            timeline.push(segment.clone());
        }
        Ok(())
    }
}
