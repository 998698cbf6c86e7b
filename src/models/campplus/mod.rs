//! CAM++, a network that tells speakers apart (Wang et al. 2023, "CAM++: a fast and efficient network for speaker verification using
//! context-aware masking", arXiv 2303.00332), as 3D-Speaker publishes it.
//!
//! | file | in | out | tap |
//! |---|---|---|---|
//! | `head` | `[frames, bands]`, Kaldi fbank without its mean over time | `[frames, bands / 8, channels]` | `fcm` |
//! | here | that | `[frames / 2, channels]`, a strided convolution over frames, norm, ReLU | `tdnn` |
//! | `dense` | `[frames / 2, channels]` | `[frames / 2, channels]`, layer by layer, each weighed by `mask`; then half the channels | `block1`, … |
//! | here | that | the same, norm and ReLU | `final` |
//! | here | mean and standard deviation of `final` | `[embedding]`, linear and norm | `embedding` |
//!
//! Tensors have the names of the published checkpoint, behind `campplus.`

mod dense;
mod head;
mod mask;
mod recipe;

pub use recipe::{BlockRecipe, CamPlusPlusRecipe, StridedRecipe, Tap};

use crate::error::{Error, Result};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{Epilogue, FrameConv, Linear, Norm, Picture, StatisticsPooling, Tensor, Variance, Weights};
use dense::Block;
use head::Head;

/// Where the tensors' names begin.
const PREFIX: &str = "campplus";

/// `[frames, bands]` → the taps' vectors, one after the other.
#[derive(Debug)]
pub struct CamPlusPlus {
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

/// A tap, and where its vector stands in the representation.
#[derive(Debug)]
struct Place {
    tap: Tap,
    name: String,
    start: usize,
    len: usize,
}

/// What [`CamPlusPlus::run`] needs beside its input; grows to the longest clip that it saw.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Normalised features.
    pub(crate) frames: Vec<f32>,
    head: head::Scratch,
    dense: dense::Scratch,
    /// A block's frames, and the next one's.
    block: Vec<f32>,
    next: Vec<f32>,
    /// Statistics of `final`.
    pooled: Vec<f32>,
}

impl CamPlusPlus {
    /// Takes the tensors `campplus.…` up to the last tap.
    pub(crate) fn load(weights: &mut Weights<'_>, recipe: &CamPlusPlusRecipe, bands: usize) -> Result<Self> {
        let (eps, channels) = (recipe.norm_eps, recipe.head_channels);
        let head = Head::load(weights, &format!("{PREFIX}.head"), channels, recipe.head_blocks, eps)?;
        let head_bands = head.picture_out(0, bands).bands;
        let xvector = format!("{PREFIX}.xvector");
        let tdnn = if recipe.reaches(Tap::Tdnn) {
            Some(load_tdnn(weights, &xvector, recipe, (&head, head_bands))?)
        } else {
            None
        };
        let mut blocks: Vec<Block> = Vec::new();
        for (b, block) in recipe.blocks.iter().enumerate() {
            if recipe.reaches(Tap::Block(b + 1)) {
                let inputs = blocks.last().map_or(recipe.tdnn.channels, Block::outputs);
                blocks.push(Block::load(weights, &xvector, b + 1, recipe, *block, inputs)?);
            }
        }
        let channels = blocks.last().map_or(recipe.tdnn.channels, Block::outputs);
        let last = if recipe.reaches(Tap::Final) {
            Some(Norm::load(weights, &format!("{xvector}.out_nonlinear.batchnorm"), channels, eps)?)
        } else {
            None
        };
        let embedding = if recipe.reaches(Tap::Embedding) {
            Some(load_embedding(weights, &format!("{xvector}.dense"), [2 * channels, recipe.embedding], eps)?)
        } else {
            None
        };
        let pooling = StatisticsPooling::new(Variance::Unbiased, 0.0);
        let taps = places(recipe, head_bands);
        Ok(Self { bands, stride: recipe.tdnn.stride, head, tdnn, blocks, last, embedding, pooling, taps })
    }

    /// The shortest clip, in frames: two are left behind the stride, so that there is a variance.
    pub fn min_frames(&self) -> usize {
        let stride = if self.tdnn.is_some() { self.stride } else { 1 };
        (self.pooling.min_frames() - 1) * stride + 1
    }

    /// Length of the representation.
    pub fn dim(&self) -> usize {
        self.taps.iter().map(|place| place.len).sum()
    }

    /// Values of the largest layer for each frame of the input.
    pub(crate) fn values_per_frame(&self) -> usize {
        let head = self.head.picture_out(0, self.bands);
        let widest = self.blocks.iter().map(Block::width).max().unwrap_or(0);
        (head.channels * (self.bands + 1)).max(widest)
    }

    /// From the normalised features, `[frames, bands]` in `scratch.frames`, to the taps' vectors. Shows the results under their tensors' names:
    /// `campplus.head.conv1`, `campplus.head.layer1.0` and so on, `campplus.head.conv2` (each `[frames, bands, channels]`),
    /// `campplus.xvector.tdnn`, `….block1.tdnnd1` and so on (the layer's own channels), `….transit1`, `….out_nonlinear`; then each tap's vector
    /// as `campplus.taps.fcm` and so on.
    pub(crate) fn run(
        &self,
        frames: usize,
        scratch: &mut Scratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(Error::Config(format!("{frames} frames: the network needs at least {}", self.min_frames())));
        }
        let Scratch { frames: features, head, dense, block, next, pooled } = scratch;
        let features = &features[..frames * self.bands];
        let picture = self.head.run(features, (frames, self.bands), &format!("{PREFIX}.head"), head, tap)?;
        self.tap_head(picture, &head.x.values, output, tap)?;
        let Some(tdnn) = &self.tdnn else { return Ok(()) };
        let frames_out = tdnn.frames_out(frames);
        let mut stride = self.blocks.first().map_or(tdnn.outputs(), Block::width);
        let rows = resize_scratch(block, frames_out * stride);
        let from = (&head.x.values[picture.frame(0)..picture.len()], picture.frame_stride());
        tdnn.run(from, frames, (rows, stride), Epilogue::Relu, &mut dense.layer);
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
        self.finish(&block[..frames * stride], next, frames, pooled, output, tap)
    }

    /// The last norm, its statistics, and the embedding.
    fn finish(
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

    /// Writes a tap's vector if it is asked for.
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

    /// Statistics of a picture, in the order of the checkpoint: channel by channel, the bands of each side by side.
    fn tap_head(&self, sizes: Picture, x: &[f32], output: &mut [f32], tap: &mut LayerTap<'_, '_>) -> Result<()> {
        self.tap(Tap::Fcm, output, tap, |out| {
            let rows = &x[sizes.frame(0)..sizes.len()];
            let mut by_band = vec![0.0; out.len()];
            self.pooling.run_rows(rows, sizes.frame_stride(), sizes.frames, &mut by_band);
            for (out, by_band) in out.chunks_mut(sizes.frame_len()).zip(by_band.chunks(sizes.frame_len())) {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = by_band[n % sizes.bands * sizes.channels + n / sizes.bands];
                }
            }
        })
    }
}

/// The strided convolution. Its weight is stored for inputs channel by channel and is turned to the picture's order, band by band.
fn load_tdnn(
    weights: &mut Weights<'_>,
    prefix: &str,
    recipe: &CamPlusPlusRecipe,
    (head, bands): (&Head, usize),
) -> Result<FrameConv> {
    let (channels, outputs, taps) = (recipe.head_channels, recipe.tdnn.channels, recipe.tdnn.kernel);
    let shape = [outputs, channels * bands, taps];
    let stored = weights.take(&format!("{prefix}.tdnn.linear.weight"), &shape)?;
    let norm = Norm::load(weights, &format!("{prefix}.tdnn.nonlinear.batchnorm"), outputs, recipe.norm_eps)?;
    let mut turned = Vec::with_capacity(stored.values().len());
    for of_output in stored.values().chunks_exact(channels * bands * taps) {
        for (f, c) in (0..bands).flat_map(|f| (0..channels).map(move |c| (f, c))) {
            turned.extend_from_slice(&of_output[(c * bands + f) * taps..][..taps]);
        }
    }
    let (weight, strides, x) = (Tensor::new(&shape, turned), [recipe.tdnn.stride, 1], head.moments().repeated(bands));
    Ok(FrameConv::with_inputs(&weight, Some(&norm), strides, weights.precision(), &x))
}

/// A linear map without bias, stored as a convolution of one tap, and the norm without weight and bias behind it.
fn load_embedding(weights: &mut Weights<'_>, prefix: &str, [inputs, outputs]: [usize; 2], eps: f64) -> Result<Linear> {
    let weight = weights.take(&format!("{prefix}.linear.weight"), &[outputs, inputs, 1])?;
    let norm = Norm::load_plain(weights, &format!("{prefix}.nonlinear.batchnorm"), outputs, eps)?;
    let linear = Linear::new(Tensor::new(&[outputs, inputs], weight.into_values()), vec![0.0; outputs]);
    Ok(linear.followed_by(&norm))
}

fn places(recipe: &CamPlusPlusRecipe, head_bands: usize) -> Vec<Place> {
    let channels = recipe.block_channels();
    let behind_blocks = channels.last().copied().unwrap_or(recipe.tdnn.channels);
    let mut start = 0;
    let mut place = |tap: &Tap| {
        let len = match tap {
            Tap::Fcm => 2 * recipe.head_channels * head_bands,
            Tap::Tdnn => 2 * recipe.tdnn.channels,
            Tap::Block(b) => 2 * channels.get(b - 1).copied().unwrap_or(0),
            Tap::Final => 2 * behind_blocks,
            Tap::Embedding => recipe.embedding,
        };
        start += len;
        Place { tap: *tap, name: format!("{PREFIX}.taps.{tap}"), start: start - len, len }
    };
    recipe.taps.iter().map(&mut place).collect()
}
