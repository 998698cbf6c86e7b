//! The front-end convolution module (FCM): two-dimensional residual blocks that reduce the bands to
//! an eighth.

use crate::error::Result;
use crate::models::tap::LayerTap;
use crate::nn::{Conv2d, Epilogue, FeatureMap, FeatureMapShape, Int8Tensor, Loader, MapFormat, Moments, Precision};

/// `[frames, bands]` → a [`FeatureMap`] `[frames, ceil(bands / 8), channels]`.
#[derive(Debug)]
pub(super) struct Head {
    first: Conv2d,
    blocks: Vec<(String, Residual)>,
    last: Conv2d,
    precision: Precision,
}

/// Residual block: `relu(conv2(relu(conv1(x))) + shortcut(x))`, with a batch norm after each
/// convolution. The first convolution and the shortcut have a stride over the bands; without a
/// stride the shortcut is `x`.
#[derive(Debug)]
struct Residual {
    conv1: Conv2d,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

/// Feature maps between the layers.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) x: FeatureMap,
    y: FeatureMap,
    inner: FeatureMap,
    shortcut: FeatureMap,
}

/// Stride over the bands of each layer and of the last convolution.
const STRIDE: usize = 2;
const KERNEL: usize = 3;

impl Head {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        prefix: &str,
        channels: usize,
        layers: [usize; 2],
        eps: f64,
    ) -> Result<Self> {
        let precision = loader.precision();
        let outer = |loader: &mut Loader<'_>, n: usize, inputs: usize, stride: usize, how: (Precision, &Moments)| {
            let names = [format!("{prefix}.conv{n}"), format!("{prefix}.bn{n}")];
            Conv2d::load(loader, [&names[0], &names[1]], [channels, inputs, KERNEL], stride, eps, how)
        };
        // the first layer reads features of both signs in one channel; int8 products need
        // non-negative values and many channels to be faster
        let first = outer(loader, 1, 1, 1, (Precision::F32, &Moments::new(vec![0.0], vec![1.0])))?;
        let mut x = first.moments().relu();
        let mut blocks = Vec::new();
        for (l, count) in layers.into_iter().enumerate() {
            for b in 0..count {
                let name = format!("{prefix}.layer{}.{b}", l + 1);
                let stride = if b == 0 { STRIDE } else { 1 };
                let block = Residual::load(loader, &name, channels, (stride, &x), eps)?;
                x = block.moments(&x);
                blocks.push((name, block));
            }
        }
        let last = outer(loader, 2, channels, STRIDE, (precision, &x))?;
        Ok(Self { first, blocks, last, precision })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        let blocks =
            self.blocks.iter().flat_map(|(_, block)| [&block.conv1, &block.conv2].into_iter().chain(&block.shortcut));
        [&self.first].into_iter().chain(blocks).chain([&self.last]).filter_map(Conv2d::int8_tensor)
    }

    /// Mean and variance of each output channel.
    pub(super) fn moments(&self) -> Moments {
        self.last.moments().relu()
    }

    /// The shape of the output for `[frames, bands]`.
    pub(super) fn shape_out(&self, frames: usize, bands: usize) -> FeatureMapShape {
        let first = self.first.shape_out(FeatureMapShape { frames, bands, channels: 1 });
        let inside = self.blocks.iter().fold(first, |shape, (_, block)| block.conv1.shape_out(shape));
        self.last.shape_out(inside)
    }

    /// Computes a feature map in `scratch.x` from `[frames, bands]`, and returns its shape.
    pub(super) fn run(
        &self,
        features: &[f32],
        (frames, bands): (usize, usize),
        prefix: &str,
        scratch: &mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<FeatureMapShape> {
        let Scratch { x, y, inner, shortcut } = scratch;
        // the input of a block is read by a convolution and, as f32, by the shortcut
        let (for_conv, for_block) = match self.precision {
            Precision::F32 => (MapFormat::F32, MapFormat::F32),
            Precision::Int8 => (MapFormat::Int8, MapFormat::Both),
        };
        let mut shape = FeatureMapShape { frames, bands, channels: 1 };
        shape.write(features, y.resize(shape.len()));
        shape = step(&self.first, shape, y, x, for_block, Epilogue::Relu);
        pass(&format!("{prefix}.conv1"), shape, x, tap)?;
        for (name, block) in &self.blocks {
            let inside = step(&block.conv1, shape, x, inner, for_conv, Epilogue::Relu);
            let added = if let Some(conv) = &block.shortcut {
                step(conv, shape, x, shortcut, MapFormat::F32, Epilogue::Linear);
                &*shortcut
            } else {
                &*x
            };
            let epilogue = Epilogue::AddRelu(&added.values[..inside.len()]);
            shape = step(&block.conv2, inside, inner, y, for_block, epilogue);
            std::mem::swap(x, y);
            pass(name, shape, x, tap)?;
        }
        shape = step(&self.last, shape, x, y, MapFormat::F32, Epilogue::Relu);
        std::mem::swap(x, y);
        pass(&format!("{prefix}.conv2"), shape, x, tap)?;
        Ok(shape)
    }
}

impl Residual {
    /// Loads a block whose inputs have the moments `x`.
    fn load(
        loader: &mut Loader<'_>,
        name: &str,
        channels: usize,
        (stride, x): (usize, &Moments),
        eps: f64,
    ) -> Result<Self> {
        let precision = loader.precision();
        let mut conv = |conv: &str, norm: &str, kernel: usize, stride: usize, x: &Moments| {
            let names = [format!("{name}.{conv}"), format!("{name}.{norm}")];
            Conv2d::load(loader, [&names[0], &names[1]], [channels, channels, kernel], stride, eps, (precision, x))
        };
        let conv1 = conv("conv1", "bn1", KERNEL, stride, x)?;
        let conv2 = conv("conv2", "bn2", KERNEL, 1, &conv1.moments().relu())?;
        let shortcut = if stride > 1 { Some(conv("shortcut.0", "shortcut.1", 1, stride, x)?) } else { None };
        Ok(Self { conv1, conv2, shortcut })
    }

    /// Moments of its outputs for inputs of the moments `x`, assuming that convolution and shortcut
    /// are independent.
    fn moments(&self, x: &Moments) -> Moments {
        self.conv2.moments().plus(self.shortcut.as_ref().map_or(x, Conv2d::moments)).relu()
    }
}

fn step(
    layer: &Conv2d,
    shape: FeatureMapShape,
    from: &FeatureMap,
    to: &mut FeatureMap,
    format: MapFormat,
    epilogue: Epilogue<'_>,
) -> FeatureMapShape {
    layer.run(from, shape, to, format, epilogue);
    layer.shape_out(shape)
}

fn pass(name: &str, shape: FeatureMapShape, map: &FeatureMap, tap: &mut LayerTap<'_, '_>) -> Result<()> {
    let rows = (0..shape.frames).map(|t| &map.values[shape.frame(t)..][..shape.frame_len()]);
    tap.pass_rows(name, &[shape.frames, shape.bands, shape.channels], rows)
}
