//! CAM++, a speaker-verification network (Wang et al. 2023, "CAM++: a fast and efficient network
//! for speaker verification using context-aware masking", arXiv 2303.00332), as 3D-Speaker
//! publishes it.
//!
//! | file | in | out | tap |
//! |---|---|---|---|
//! | `head` | `[frames, bands]`, Kaldi fbank without its mean over time | `[frames, bands / 8, channels]` | `fcm` |
//! | here | that | `[frames / 2, channels]`, a strided convolution over frames, norm, ReLU | `tdnn` |
//! | `dense` | `[frames / 2, channels]` | `[frames / 2, channels]`, layer by layer, each weighted by `mask`; then half the channels | `block1`, … |
//! | here | that | the same, norm and ReLU | `final` |
//! | here | mean and standard deviation of `final` | `[embedding]`, linear and norm | `embedding` |
//!
//! Tensors have the names of the published checkpoint, prefixed with `campplus.`

mod dense;
mod head;
mod mask;
mod recipe;

pub use recipe::{BlockRecipe, CamPlusPlusRecipe, StridedRecipe, Tap};

use crate::error::Result;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, SpeakerStatistics, too_short};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{
    Activation, FeatureMapShape, FrameConv, FrameConvOptions, Int8Tensor, Linear, Loader, Norm, Padding,
    StatisticsPooling, Tensor, Variance,
};
use dense::Block;
use head::Head;

/// Prefix of the names of the tensors.
const PREFIX: &str = "campplus";

/// `[frames, bands]` → the vectors of the taps, concatenated.
#[derive(Debug)]
pub(crate) struct CamPlusPlus {
    bands: usize,
    stride: usize,
    head: Head,
    tdnn: Option<FrameConv>,
    blocks: Vec<Block>,
    last: Option<Norm>,
    embedding: Option<Linear>,
    pooling: StatisticsPooling,
    taps: Vec<Place>,
}

/// A tap and the place of its vector in the representation.
#[derive(Debug)]
struct Place {
    tap: Tap,
    name: String,
    start: usize,
    len: usize,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    head: head::Scratch,
    dense: dense::Scratch,
    /// Frames of a block, and of the next one.
    block: Vec<f32>,
    next: Vec<f32>,
    /// Statistics of `final`.
    pooled: Vec<f32>,
}

impl CamPlusPlus {
    /// Takes the tensors `campplus.…` up to the last tap.
    fn load(loader: &mut Loader<'_>, recipe: &CamPlusPlusRecipe, bands: usize) -> Result<Self> {
        let (eps, channels) = (recipe.norm_eps, recipe.head_channels);
        let head = Head::load(loader, &format!("{PREFIX}.head"), channels, recipe.head_blocks, eps)?;
        let head_bands = head.shape_out(0, bands).bands;
        let xvector = format!("{PREFIX}.xvector");
        let tdnn = if recipe.reaches(Tap::Tdnn) {
            Some(load_tdnn(loader, &xvector, recipe, (&head, head_bands))?)
        } else {
            None
        };
        let mut blocks: Vec<Block> = Vec::new();
        for (b, block) in recipe.blocks.iter().enumerate() {
            if recipe.reaches(Tap::Block(b + 1)) {
                let inputs = blocks.last().map_or(recipe.tdnn.channels, Block::outputs);
                blocks.push(Block::load(loader, &xvector, b + 1, recipe, *block, inputs)?);
            }
        }
        let channels = blocks.last().map_or(recipe.tdnn.channels, Block::outputs);
        let last = if recipe.reaches(Tap::Final) {
            Some(Norm::load(loader, &format!("{xvector}.out_nonlinear.batchnorm"), channels, eps)?)
        } else {
            None
        };
        let embedding = if recipe.reaches(Tap::Embedding) {
            Some(load_embedding(loader, &format!("{xvector}.dense"), [2 * channels, recipe.embedding], eps)?)
        } else {
            None
        };
        let pooling = StatisticsPooling::new(Variance::Unbiased, 0.0);
        let taps = places(recipe, head_bands);
        Ok(Self { bands, stride: recipe.tdnn.stride, head, tdnn, blocks, last, embedding, pooling, taps })
    }

    /// The last norm, its statistics and the embedding.
    fn run_final(
        &self,
        rows: &[f32],
        active: &mut Vec<f32>,
        frames: usize,
        pooled: &mut Vec<f32>,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        let Some(norm) = &self.last else { return Ok(()) };
        let channels = norm.channels();
        let active = resize_scratch(active, frames * channels);
        norm.run_relu(rows, channels, frames, active);
        tap.pass(&format!("{PREFIX}.xvector.out_nonlinear"), &[frames, channels], active)?;
        let pooled = resize_scratch(pooled, 2 * channels);
        self.pooling.run(active, frames, pooled);
        self.tap(Tap::Final, output, tap, |out| out.copy_from_slice(pooled))?;
        match &self.embedding {
            Some(embedding) => self.tap(Tap::Embedding, output, tap, |out| embedding.run(pooled, 1, out)),
            None => Ok(()),
        }
    }

    /// Computes the vector of a tap if it is part of the representation.
    fn tap(
        &self,
        at: Tap,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
        write: impl FnOnce(&mut [f32]),
    ) -> Result<()> {
        let Some(place) = self.taps.iter().find(|place| place.tap == at) else { return Ok(()) };
        let own = &mut output[place.start..place.start + place.len];
        write(own);
        tap.pass(&place.name, &[place.len], own)
    }

    /// Statistics of the first channels of rows.
    fn tap_rows(
        &self,
        at: Tap,
        (rows, stride): (&[f32], usize),
        frames: usize,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        self.tap(at, output, tap, |out| self.pooling.run_rows(rows, stride, frames, out))
    }

    /// Statistics of a feature map in the order of the checkpoint: channel by channel, with the
    /// bands of a channel adjacent.
    fn tap_head(
        &self,
        shape: FeatureMapShape,
        x: &[f32],
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        self.tap(Tap::Fcm, output, tap, |out| {
            let rows = &x[shape.frame(0)..shape.len()];
            let mut by_band = vec![0.0; out.len()];
            self.pooling.run_rows(rows, shape.frame_stride(), shape.frames, &mut by_band);
            for (out, by_band) in out.chunks_mut(shape.frame_len()).zip(by_band.chunks(shape.frame_len())) {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = by_band[n % shape.bands * shape.channels + n / shape.bands];
                }
            }
        })
    }
}

impl Network for CamPlusPlus {
    /// At least two frames remain after the stride, as the variance requires.
    fn min_frames(&self) -> usize {
        let stride = if self.tdnn.is_some() { self.stride } else { 1 };
        (self.pooling.min_frames() - 1) * stride + 1
    }

    fn dim(&self) -> usize {
        self.taps.iter().map(|place| place.len).sum()
    }

    fn largest_layer(&self, frames: usize) -> usize {
        let head = self.head.shape_out(0, self.bands);
        let widest = self.blocks.iter().map(Block::width).max().unwrap_or(0);
        frames.saturating_mul((head.channels * (self.bands + 1)).max(widest))
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.head.int8_tensors().chain(self.blocks.iter().flat_map(Block::int8_tensors)).collect()
    }

    fn speaker_statistics(&self) -> Option<SpeakerStatistics<'_>> {
        let place = self.taps.iter().find(|place| place.tap == Tap::Final)?;
        Some(SpeakerStatistics { place: place.start..place.start + place.len, last_norm: self.last.as_ref()? })
    }

    /// Passes to the tap, under the names of the tensors: `campplus.head.conv1`,
    /// `campplus.head.layer1.0` and so on, `campplus.head.conv2` (each
    /// `[frames, bands, channels]`), `campplus.xvector.tdnn`, `….block1.tdnnd1` and so on (the
    /// channels of the layer), `….transit1`, `….out_nonlinear`; then the vector of each tap as
    /// `campplus.taps.fcm` and so on.
    fn run(
        &self,
        input: &mut Vec<f32>,
        frames: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(too_short(frames, "frames", self.min_frames()));
        }
        let Scratch { head, dense, block, next, pooled } = scratch.of()?;
        let features = &input[..frames * self.bands];
        let shape = self.head.run(features, (frames, self.bands), &format!("{PREFIX}.head"), head, tap)?;
        self.tap_head(shape, &head.x.values, output, tap)?;
        let Some(tdnn) = &self.tdnn else { return Ok(()) };
        let frames_out = tdnn.frames_out(frames);
        let mut stride = self.blocks.first().map_or(tdnn.outputs(), Block::width);
        let rows = resize_scratch(block, frames_out * stride);
        let from = (&head.x.values[shape.frame(0)..shape.len()], shape.frame_stride());
        tdnn.run_rows(from, frames, (rows, stride), &mut dense.layer);
        let channels = tdnn.outputs();
        let frames = frames_out;
        let shown = rows.chunks(stride).map(|row| &row[..channels]);
        tap.pass_rows(&format!("{PREFIX}.xvector.tdnn"), &[frames, channels], shown)?;
        self.tap_rows(Tap::Tdnn, (rows, stride), frames, output, tap)?;
        for (b, layer) in self.blocks.iter().enumerate() {
            let next_stride = self.blocks.get(b + 1).map_or(layer.outputs(), Block::width);
            let rows = resize_scratch(next, frames * next_stride);
            layer.run(&mut block[..frames * stride], frames, (rows, next_stride), dense, tap)?;
            self.tap_rows(Tap::Block(b + 1), (rows, next_stride), frames, output, tap)?;
            std::mem::swap(block, next);
            stride = next_stride;
        }
        self.run_final(&block[..frames * stride], next, frames, pooled, output, tap)
    }
}

impl NetworkRecipe for CamPlusPlusRecipe {
    fn load(&self, loader: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>> {
        Ok(Box::new(CamPlusPlus::load(loader, self, bands)?))
    }

    fn normalise(&self) -> bool {
        self.normalise
    }
}

/// The strided convolution. Its weight is stored for inputs channel by channel and is transposed to
/// the order of the feature map, band by band.
fn load_tdnn(
    loader: &mut Loader<'_>,
    prefix: &str,
    recipe: &CamPlusPlusRecipe,
    (head, bands): (&Head, usize),
) -> Result<FrameConv> {
    let (channels, outputs, taps) = (recipe.head_channels, recipe.tdnn.channels, recipe.tdnn.kernel);
    let shape = [outputs, channels * bands, taps];
    let stored = loader.take(&format!("{prefix}.tdnn.linear.weight"), &shape)?;
    let norm = Norm::load(loader, &format!("{prefix}.tdnn.nonlinear.batchnorm"), outputs, recipe.norm_eps)?;
    let mut transposed = Vec::with_capacity(stored.values().len());
    for of_output in stored.values().chunks_exact(channels * bands * taps) {
        for (f, c) in (0..bands).flat_map(|f| (0..channels).map(move |c| (f, c))) {
            transposed.extend_from_slice(&of_output[(c * bands + f) * taps..][..taps]);
        }
    }
    let (weight, x) = (Tensor::new(&shape, transposed), head.moments().repeated(bands));
    let options =
        FrameConvOptions { stride: recipe.tdnn.stride, padding: Padding::Same, ..FrameConvOptions::default() };
    let conv = FrameConv::with_bias_correction(&weight, Some(&norm), options, loader.precision(), &x);
    Ok(conv.with_activation(Activation::Relu))
}

/// The embedding: a dense layer without bias, stored as a convolution of one tap, followed by a
/// norm without weight and bias.
pub(crate) fn load_embedding(
    loader: &mut Loader<'_>,
    prefix: &str,
    [inputs, outputs]: [usize; 2],
    eps: f64,
) -> Result<Linear> {
    let weight = loader.take(&format!("{prefix}.linear.weight"), &[outputs, inputs, 1])?;
    let norm = Norm::load_plain(loader, &format!("{prefix}.nonlinear.batchnorm"), outputs, eps)?;
    let linear = Linear::new(Tensor::new(&[outputs, inputs], weight.into_values()), vec![0.0; outputs]);
    Ok(linear.followed_by(&norm))
}

fn places(recipe: &CamPlusPlusRecipe, head_bands: usize) -> Vec<Place> {
    let channels = recipe.block_channels();
    let last_channels = channels.last().copied().unwrap_or(recipe.tdnn.channels);
    let mut start = 0;
    let mut place = |tap: &Tap| {
        let len = match tap {
            Tap::Fcm => 2 * recipe.head_channels * head_bands,
            Tap::Tdnn => 2 * recipe.tdnn.channels,
            Tap::Block(b) => 2 * channels.get(b - 1).copied().unwrap_or(0),
            Tap::Final => 2 * last_channels,
            Tap::Embedding => recipe.embedding,
        };
        start += len;
        Place { tap: *tap, name: format!("{PREFIX}.taps.{tap}"), start: start - len, len }
    };
    recipe.taps.iter().map(&mut place).collect()
}
