//! Observer that collects what a page shows of a recording: peaks and segments, of bounded size.

use crate::engine::{Classification, Observer, Predictions, Segment};
use crate::error::Result;

use super::peaks::Peaks;
use super::segments::PageSegments;

/// Collects one recording for [`write_page`](super::write_page). Needs about 3 MB a voice at most,
/// for any length.
#[derive(Debug, Default)]
pub struct PageCollector {
    pub(super) labels: Labels,
    pub(super) voices: Vec<CollectedVoice>,
}

/// The labels of the heads, in the model's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    pub(super) emotions: Vec<String>,
    pub(super) genders: Vec<String>,
}

/// One voice: a channel, or the mean of all.
#[derive(Debug, Default)]
pub(super) struct CollectedVoice {
    pub(super) peaks: Peaks,
    pub(super) segments: PageSegments,
}

impl PageCollector {
    /// A channel, counted from 1; 0 is the mean of all.
    fn voice(&mut self, channel: u16) -> Option<&mut CollectedVoice> {
        self.voices.get_mut(usize::from(channel.saturating_sub(1)))
    }
}

impl Observer for PageCollector {
    fn begins(&mut self, _sample_rate_hz: u32, voices: u16) -> Result<()> {
        self.voices.resize_with(usize::from(voices), CollectedVoice::default);
        Ok(())
    }

    fn samples(&mut self, channel: u16, samples: &[f32]) -> Result<()> {
        if let Some(voice) = self.voice(channel) {
            voice.peaks.push(samples);
        }
        Ok(())
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        self.labels.add(&segment.predictions);
        if let Some(voice) = self.voice(channel) {
            voice.segments.push(segment);
        }
        Ok(())
    }
}

impl Labels {
    /// Takes the labels from the first prediction.
    pub(super) fn add(&mut self, predictions: &Predictions) {
        set_labels(&mut self.emotions, predictions.emotion.as_ref());
        set_labels(&mut self.genders, predictions.gender.as_ref());
    }
}

fn set_labels(labels: &mut Vec<String>, classification: Option<&Classification>) {
    if let Some(classification) = classification.filter(|_| labels.is_empty()) {
        *labels = classification.probabilities.iter().map(|(label, _)| label.clone()).collect();
    }
}
