//! Several networks on the same samples, each behind a front-end of its own: their vectors one
//! after the other.
//!
//! ```text
//! [samples] ─┬─ front-end ─ normalisation ─ network 0 ─▶ [dim 0] ─┬─▶ [dim 0 + dim 1 + …]
//!            └─ front-end ─ normalisation ─ network 1 ─▶ [dim 1] ─┘
//! ```
//!
//! A frame of the whole is one sample: the front-end of the model passes samples on (`raw`), at
//! their level, and the features are computed here.

use crate::dsp::FeatureExtractor;
use crate::error::Result;
use crate::models::frontend::Frontend;
use crate::models::network::{Network, NetworkScratch, SpeakerStatistics, too_short};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::Int8Tensor;

/// `[samples]` → the vectors of all parts.
#[derive(Debug)]
pub(super) struct Concat {
    parts: Vec<Part>,
}

/// A front-end and the network behind it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) frontend: Frontend,
    pub(super) network: Box<dyn Network>,
}

/// Scratch memory: one for each part.
#[derive(Debug, Default)]
struct Scratch {
    parts: Vec<PartScratch>,
}

#[derive(Debug)]
struct PartScratch {
    /// The front-end that `extractor` was planned from.
    frontend: Frontend,
    extractor: FeatureExtractor,
    features: Vec<f32>,
    network: NetworkScratch,
}

impl Concat {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }
}

impl Scratch {
    /// Scratch memory for these parts: that of the last pass, unless it was another model's.
    fn of(&mut self, parts: &[Part]) -> Result<&mut [PartScratch]> {
        let front_ends = parts.iter().map(|part| &part.frontend);
        if !self.parts.iter().map(|scratch| &scratch.frontend).eq(front_ends) {
            self.parts = parts.iter().map(|part| PartScratch::new(&part.frontend)).collect::<Result<_>>()?;
        }
        Ok(&mut self.parts)
    }
}

impl PartScratch {
    fn new(frontend: &Frontend) -> Result<Self> {
        Ok(Self {
            frontend: frontend.clone(),
            extractor: frontend.extractor()?,
            features: Vec::new(),
            network: NetworkScratch::default(),
        })
    }
}

impl Part {
    /// Runs front-end and network on `samples`.
    fn run(
        &self,
        index: usize,
        samples: &[f32],
        scratch: &mut PartScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        let PartScratch { extractor, features, network, .. } = scratch;
        let bands = self.frontend.bands();
        let frames = extractor.run(samples, features);
        self.frontend.normalisation.apply(features, bands);
        tap.pass(&format!("concat.features.{index}"), &[frames, bands], features)?;
        self.network.run(features, frames, network, output, tap)
    }
}

impl Network for Concat {
    /// The samples that every part needs at least.
    fn min_frames(&self) -> usize {
        let needs = self.parts.iter().map(|part| part.frontend.samples_for(part.network.min_frames()));
        needs.max().unwrap_or(0)
    }

    fn dim(&self) -> usize {
        self.parts.iter().map(|part| part.network.dim()).sum()
    }

    fn largest_layer(&self, samples: usize) -> usize {
        let of_part = |part: &Part| {
            let frames = part.frontend.frames(samples);
            part.network.largest_layer(frames).max(frames.saturating_mul(part.frontend.bands()))
        };
        self.parts.iter().map(of_part).max().unwrap_or(0)
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.parts.iter().flat_map(|part| part.network.int8_tensors()).collect()
    }

    /// Those of the first part that has them.
    fn speaker_statistics(&self) -> Option<SpeakerStatistics<'_>> {
        let mut start = 0;
        for part in &self.parts {
            if let Some(SpeakerStatistics { place, last_norm }) = part.network.speaker_statistics() {
                return Some(SpeakerStatistics { place: start + place.start..start + place.end, last_norm });
            }
            start += part.network.dim();
        }
        None
    }

    /// Passes to the tap, for each part: `concat.features.0` (normalised) and so on, and what its
    /// network states.
    fn run(
        &self,
        input: &mut Vec<f32>,
        samples: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if samples < self.min_frames() {
            return Err(too_short(samples, "samples", self.min_frames()));
        }
        let threads = scratch.threads();
        let scratch: &mut Scratch = scratch.of()?;
        let input = resize_scratch(input, samples);
        let mut rest = output;
        for (index, (part, scratch)) in self.parts.iter().zip(scratch.of(&self.parts)?).enumerate() {
            let (own, later) = std::mem::take(&mut rest).split_at_mut(part.network.dim());
            scratch.network.set_threads(threads);
            part.run(index, input, scratch, own, tap)?;
            rest = later;
        }
        Ok(())
    }
}
