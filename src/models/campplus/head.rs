//! The front-end convolutions: features as a picture of one channel, through residual blocks that narrow it from all bands to an eighth.

use crate::error::Result;
use crate::models::probe::{Probe, room};
use crate::nn::{self, Conv2d, Finish, Picture, Precision, Weights};

/// `[frames, bands]` → `[frames, ceil(bands / 8), channels]` as a [`Picture`].
#[derive(Debug)]
pub(super) struct Head {
    first: Conv2d,
    blocks: Vec<(String, Residual)>,
    last: Conv2d,
}

/// `relu(conv2(relu(conv1(x))) + shortcut(x))`, a batch norm behind each convolution. The first convolution and the shortcut are strided over
/// the bands; without a stride the shortcut is `x` itself.
#[derive(Debug)]
struct Residual {
    conv1: Conv2d,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

/// Pictures on their way.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) x: Vec<f32>,
    y: Vec<f32>,
    inner: Vec<f32>,
    around: Vec<f32>,
    layer: nn::Scratch,
}

/// The stride of each layer and of the last convolution, over bands.
const STRIDE: usize = 2;
const KERNEL: usize = 3;

impl Head {
    pub(super) fn load(
        weights: &mut Weights<'_>,
        prefix: &str,
        channels: usize,
        layers: [usize; 2],
        eps: f64,
    ) -> Result<Self> {
        let precision = weights.precision();
        let mut outer = |n: usize, inputs: usize, stride: usize, precision: Precision| {
            let names = [format!("{prefix}.conv{n}"), format!("{prefix}.bn{n}")];
            Conv2d::load(weights, [&names[0], &names[1]], [channels, inputs, KERNEL], stride, eps, precision)
        };
        // the first layer reads features, of both signs and in one channel: no work for codes, which pay where channels are many
        let (first, last) = (outer(1, 1, 1, Precision::F32)?, outer(2, channels, STRIDE, precision)?);
        let mut blocks = Vec::new();
        for (l, count) in layers.into_iter().enumerate() {
            for b in 0..count {
                let name = format!("{prefix}.layer{}.{b}", l + 1);
                let stride = if b == 0 { STRIDE } else { 1 };
                let block = Residual::load(weights, &name, channels, stride, eps)?;
                blocks.push((name, block));
            }
        }
        Ok(Self { first, blocks, last })
    }

    /// The picture that comes out of `[frames, bands]`.
    pub(super) fn picture_out(&self, frames: usize, bands: usize) -> Picture {
        let first = self.first.picture_out(Picture { frames, bands, channels: 1 });
        let inside = self.blocks.iter().fold(first, |sizes, (_, block)| block.conv1.picture_out(sizes));
        self.last.picture_out(inside)
    }

    /// From `[frames, bands]` to a picture in `scratch.x`.
    pub(super) fn run(
        &self,
        features: &[f32],
        (frames, bands): (usize, usize),
        prefix: &str,
        scratch: &mut Scratch,
        probe: &mut Probe<'_, '_>,
    ) -> Result<Picture> {
        let Scratch { x, y, inner, around, layer } = scratch;
        let mut sizes = Picture { frames, bands, channels: 1 };
        sizes.write(features, room(y, sizes.len()));
        sizes = step(&self.first, sizes, y, x, Finish::Relu, layer);
        pass(&format!("{prefix}.conv1"), sizes, x, probe)?;
        for (name, block) in &self.blocks {
            let inside = step(&block.conv1, sizes, x, inner, Finish::Relu, layer);
            let shortcut = if let Some(shortcut) = &block.shortcut {
                step(shortcut, sizes, x, around, Finish::Linear, layer);
                &*around
            } else {
                &*x
            };
            let finish = Finish::AddRelu(&shortcut[..inside.len()]);
            sizes = step(&block.conv2, inside, inner, y, finish, layer);
            std::mem::swap(x, y);
            pass(name, sizes, x, probe)?;
        }
        sizes = step(&self.last, sizes, x, y, Finish::Relu, layer);
        std::mem::swap(x, y);
        pass(&format!("{prefix}.conv2"), sizes, x, probe)?;
        Ok(sizes)
    }
}

impl Residual {
    fn load(weights: &mut Weights<'_>, name: &str, channels: usize, stride: usize, eps: f64) -> Result<Self> {
        let mut conv = |conv: &str, norm: &str, kernel: usize, stride: usize| {
            let names = [format!("{name}.{conv}"), format!("{name}.{norm}")];
            Conv2d::load(
                weights,
                [&names[0], &names[1]],
                [channels, channels, kernel],
                stride,
                eps,
                weights.precision(),
            )
        };
        Ok(Self {
            conv1: conv("conv1", "bn1", KERNEL, stride)?,
            conv2: conv("conv2", "bn2", KERNEL, 1)?,
            shortcut: if stride > 1 { Some(conv("shortcut.0", "shortcut.1", 1, stride)?) } else { None },
        })
    }
}

fn step(
    layer: &Conv2d,
    sizes: Picture,
    from: &[f32],
    to: &mut Vec<f32>,
    finish: Finish<'_>,
    scratch: &mut nn::Scratch,
) -> Picture {
    let out = layer.picture_out(sizes);
    layer.run(&from[..sizes.len()], sizes, room(to, out.len()), finish, scratch);
    out
}

fn pass(name: &str, sizes: Picture, values: &[f32], probe: &mut Probe<'_, '_>) -> Result<()> {
    let rows = (0..sizes.frames).map(|t| &values[sizes.frame(t)..][..sizes.frame_len()]);
    probe.pass_rows(name, &[sizes.frames, sizes.bands, sizes.channels], rows)
}
