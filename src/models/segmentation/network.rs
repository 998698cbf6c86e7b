//! The segmentation network: samples of a chunk to the speakers that are active in each frame.

use super::powerset;
use super::recipe::SegmentationRecipe;
use super::sincnet::{self, SLOPE, SincNet};
use crate::error::{Error, Result};
use crate::models::network::too_short;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, Activation, BiLstm, FrameConv, Loader, LstmScratch, Norm, log_softmax};

/// `[samples]` → `[frames, classes]`, log probabilities of the powerset classes.
#[derive(Debug)]
pub(super) struct Network {
    sincnet: SincNet,
    lstm: Vec<BiLstm>,
    dense: Vec<(String, FrameConv)>,
    classifier: FrameConv,
    /// The set of speakers of each class.
    classes: Vec<u8>,
    /// The shortest input.
    min_samples: usize,
}

/// Scratch memory. It grows to the longest input; no result depends on its previous content.
#[derive(Debug, Default)]
pub struct Scratch {
    sincnet: sincnet::Scratch,
    lstm: LstmScratch,
    from: Vec<f32>,
    to: Vec<f32>,
    products: nn::Scratch,
}

impl Network {
    /// Takes all tensors, which have the names of the published checkpoint.
    pub(super) fn load(loader: &mut Loader<'_>, recipe: &SegmentationRecipe) -> Result<Self> {
        let precision = loader.precision();
        let sincnet = SincNet::load(loader, "sincnet", recipe)?;
        let mut inputs = sincnet.outputs();
        let mut lstm = Vec::new();
        for layer in 0..recipe.lstm.layers {
            let of_layer = BiLstm::load(loader, "lstm", layer, [inputs, recipe.lstm.hidden], precision)?;
            inputs = of_layer.outputs();
            lstm.push(of_layer);
        }
        let mut dense = Vec::new();
        for (n, width) in recipe.dense.iter().enumerate() {
            let name = format!("linear.{n}");
            let plain = Norm::new(vec![1.0; *width], vec![0.0; *width]);
            let layer = FrameConv::load_linear(loader, &name, [*width, inputs], precision)?;
            dense.push((name, layer.with_activation(Activation::LeakyReluNorm(SLOPE, plain))));
            inputs = *width;
        }
        let classes = powerset::classes(recipe.speakers, recipe.simultaneous);
        let classifier = FrameConv::load_linear(loader, "classifier", [classes.len(), inputs], precision)?;
        Ok(Self { sincnet, lstm, dense, classifier, classes, min_samples: recipe.frame_length() })
    }

    /// Number of frames for so many samples.
    pub(super) fn frames_out(&self, samples: usize) -> usize {
        self.sincnet.frames_out(samples)
    }

    /// The set of speakers of each class, as bit masks.
    pub(super) fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The log probabilities `[frames, chunks, classes]` of chunks of one length. Passes to the tap,
    /// under the names of the tensors: what the first layers pass, chunk by chunk; then
    /// `lstm.0` `[frames · chunks, outputs]` and so on, `linear.0` and so on, and `classifier` (the
    /// log probabilities).
    pub(super) fn run<'s>(
        &self,
        chunks: &[&[f32]],
        scratch: &'s mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<&'s [f32]> {
        let samples = chunks.first().map_or(0, |chunk| chunk.len());
        if chunks.iter().any(|chunk| chunk.len() != samples) {
            return Err(Error::Internal("chunks of several lengths in one pass".into()));
        }
        let frames = self.frames_out(samples);
        if frames == 0 {
            return Err(too_short(samples, "samples", self.min_samples()));
        }
        let Scratch { sincnet, lstm, from, to, products } = scratch;
        let (channels, count) = (self.sincnet.outputs(), chunks.len());
        let rows = frames * count;
        let sequences = resize_scratch(from, rows * channels);
        for (c, chunk) in chunks.iter().enumerate() {
            let of_chunk = self.sincnet.run(chunk, "sincnet", sincnet, tap)?;
            for (t, row) in of_chunk.chunks_exact(channels).enumerate() {
                sequences[(t * count + c) * channels..][..channels].copy_from_slice(row);
            }
        }
        for (n, layer) in self.lstm.iter().enumerate() {
            let output = resize_scratch(to, rows * layer.outputs());
            layer.run(&from[..rows * layer.inputs()], [frames, count], output, lstm);
            tap.pass(&format!("lstm.{n}"), &[rows, layer.outputs()], output)?;
            std::mem::swap(from, to);
        }
        for (name, layer) in &self.dense {
            let output = resize_scratch(to, rows * layer.outputs());
            layer.run(&from[..rows * layer.inputs()], rows, output, products);
            tap.pass(name, &[rows, layer.outputs()], output)?;
            std::mem::swap(from, to);
        }
        let output = resize_scratch(to, rows * self.classes.len());
        self.classifier.run(&from[..rows * self.classifier.inputs()], rows, output, products);
        for row in output.chunks_exact_mut(self.classes.len()) {
            log_softmax(row);
        }
        tap.pass("classifier", &[rows, self.classes.len()], output)?;
        Ok(output)
    }

    /// The shortest input, in samples.
    pub(super) fn min_samples(&self) -> usize {
        self.min_samples
    }
}
