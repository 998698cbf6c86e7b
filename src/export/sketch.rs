//! What a page shows of a recording, collected while it is answered: waveforms and timelines of bounded size.

use crate::engine::{Classification, Observer, Segment};
use crate::error::Result;

use super::cells::Cells;
use super::peaks::Peaks;

/// Listens to one recording. Holds at most about 3 MB a channel, whatever the length.
#[derive(Debug, Default)]
pub struct Sketch {
    pub(super) rate_hz: u32,
    pub(super) emotions: Vec<String>,
    pub(super) genders: Vec<String>,
    pub(super) signals: Vec<Signal>,
}

/// One signal that was answered apart.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) peaks: Peaks,
    pub(super) cells: Cells,
}

impl Sketch {
    /// A channel, counted from 1; 0 is the mean of all.
    fn signal(&mut self, channel: u16) -> Option<&mut Signal> {
        self.signals.get_mut(usize::from(channel.saturating_sub(1)))
    }
}

impl Observer for Sketch {
    fn begins(&mut self, sample_rate_hz: u32, lanes: u16) -> Result<()> {
        self.rate_hz = sample_rate_hz;
        self.signals.resize_with(usize::from(lanes), Signal::default);
        Ok(())
    }

    fn samples(&mut self, channel: u16, samples: &[f32]) -> Result<()> {
        if let Some(signal) = self.signal(channel) {
            signal.peaks.push(samples);
        }
        Ok(())
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        learn(&mut self.emotions, segment.answers.emotion.as_ref());
        learn(&mut self.genders, segment.answers.gender.as_ref());
        if let Some(signal) = self.signal(channel) {
            signal.cells.push(segment);
        }
        Ok(())
    }
}

/// The labels, from the first answer.
fn learn(labels: &mut Vec<String>, choice: Option<&Classification>) {
    if let Some(choice) = choice.filter(|_| labels.is_empty()) {
        *labels = choice.probabilities.iter().map(|(label, _)| label.clone()).collect();
    }
}
