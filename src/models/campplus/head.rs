//! The front-end convolutions: features as a picture of one channel, through residual blocks that narrow it from all bands to an eighth.

use crate::error::Result;
use crate::models::tap::LayerTap;
use crate::nn::{Conv2d, Epilogue, Image, Keep, Moments, Picture, Precision, Weights};

/// `[frames, bands]` → `[frames, ceil(bands / 8), channels]` as a [`Picture`].
#[derive(Debug)]
pub(super) struct Head {
    first: Conv2d,
    blocks: Vec<(String, Residual)>,
    last: Conv2d,
    precision: Precision,
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
    pub(super) x: Image,
    y: Image,
    inner: Image,
    around: Image,
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
        let outer = |weights: &mut Weights<'_>, n: usize, inputs: usize, stride: usize, how: (Precision, &Moments)| {
            let names = [format!("{prefix}.conv{n}"), format!("{prefix}.bn{n}")];
            Conv2d::load(weights, [&names[0], &names[1]], [channels, inputs, KERNEL], stride, eps, how)
        };
        // the first layer reads features, of both signs and in one channel: no work for codes, which pay where channels are many
        let first = outer(weights, 1, 1, 1, (Precision::F32, &Moments::new(vec![0.0], vec![1.0])))?;
        let mut x = first.moments().relu();
        let mut blocks = Vec::new();
        for (l, count) in layers.into_iter().enumerate() {
            for b in 0..count {
                let name = format!("{prefix}.layer{}.{b}", l + 1);
                let stride = if b == 0 { STRIDE } else { 1 };
                let block = Residual::load(weights, &name, channels, (stride, &x), eps)?;
                x = block.moments(&x);
                blocks.push((name, block));
            }
        }
        let last = outer(weights, 2, channels, STRIDE, (precision, &x))?;
        Ok(Self { first, blocks, last, precision })
    }

    /// What each channel of the picture that comes out is like.
    pub(super) fn moments(&self) -> Moments {
        self.last.moments().relu()
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
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<Picture> {
        let Scratch { x, y, inner, around } = scratch;
        let (for_one, for_all) = match self.precision {
            Precision::F32 => (Keep::Values, Keep::Values),
            Precision::Int8 => (Keep::Codes, Keep::Both),
        };
        let mut sizes = Picture { frames, bands, channels: 1 };
        sizes.write(features, y.room(sizes.len()));
        sizes = step(&self.first, sizes, y, x, for_all, Epilogue::Relu);
        pass(&format!("{prefix}.conv1"), sizes, x, tap)?;
        for (name, block) in &self.blocks {
            let inside = step(&block.conv1, sizes, x, inner, for_one, Epilogue::Relu);
            let shortcut = if let Some(shortcut) = &block.shortcut {
                step(shortcut, sizes, x, around, Keep::Values, Epilogue::Linear);
                &*around
            } else {
                &*x
            };
            let epilogue = Epilogue::AddRelu(&shortcut.values[..inside.len()]);
            sizes = step(&block.conv2, inside, inner, y, for_all, epilogue);
            std::mem::swap(x, y);
            pass(name, sizes, x, tap)?;
        }
        sizes = step(&self.last, sizes, x, y, Keep::Values, Epilogue::Relu);
        std::mem::swap(x, y);
        pass(&format!("{prefix}.conv2"), sizes, x, tap)?;
        Ok(sizes)
    }
}

impl Residual {
    /// For inputs of the moments `x`.
    fn load(
        weights: &mut Weights<'_>,
        name: &str,
        channels: usize,
        (stride, x): (usize, &Moments),
        eps: f64,
    ) -> Result<Self> {
        let precision = weights.precision();
        let mut conv = |conv: &str, norm: &str, kernel: usize, stride: usize, x: &Moments| {
            let names = [format!("{name}.{conv}"), format!("{name}.{norm}")];
            Conv2d::load(weights, [&names[0], &names[1]], [channels, channels, kernel], stride, eps, (precision, x))
        };
        let conv1 = conv("conv1", "bn1", KERNEL, stride, x)?;
        let conv2 = conv("conv2", "bn2", KERNEL, 1, &conv1.moments().relu())?;
        let shortcut = if stride > 1 { Some(conv("shortcut.0", "shortcut.1", 1, stride, x)?) } else { None };
        Ok(Self { conv1, conv2, shortcut })
    }

    /// What its outputs are like, for inputs of the moments `x`, as if the two ways were independent.
    fn moments(&self, x: &Moments) -> Moments {
        self.conv2.moments().plus(self.shortcut.as_ref().map_or(x, Conv2d::moments)).relu()
    }
}

fn step(layer: &Conv2d, sizes: Picture, from: &Image, to: &mut Image, keep: Keep, epilogue: Epilogue<'_>) -> Picture {
    layer.run(from, sizes, to, keep, epilogue);
    layer.picture_out(sizes)
}

fn pass(name: &str, sizes: Picture, image: &Image, tap: &mut LayerTap<'_, '_>) -> Result<()> {
    let rows = (0..sizes.frames).map(|t| &image.values[sizes.frame(t)..][..sizes.frame_len()]);
    tap.pass_rows(name, &[sizes.frames, sizes.bands, sizes.channels], rows)
}
