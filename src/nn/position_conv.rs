//! Convolutional position embedding (wav2vec 2.0): grouped convolution, weight norm, GELU.

use crate::error::{Error, Result};
use crate::kernels::gelu::gelu;
use crate::nn::blocks::in_blocks;
use crate::nn::frame_conv::{FrameConv, FrameConvOptions};
use crate::nn::loader::Loader;
use crate::nn::precision::Precision;
use crate::nn::scratch::Scratch;
use crate::nn::tensor::Tensor;

/// Rows per block and thread.
const ROWS: usize = 256;

/// The convolutional position embedding of wav2vec 2.0 (Baevski et al. 2020, section 2) on
/// `[frames, channels]`:
///
/// ```text
/// y[t, o] = gelu(b[o] + Σ_i Σ_j W[o, i, j] · x[t + j − taps / 2, i])        W[·, ·, j] = g[j] · V[·, ·, j] / ‖V[·, ·, j]‖
/// ```
///
/// with `i` over the inputs of the group of `o` and `x` zero outside its frames. There are as many
/// output as input frames (with an even number of taps, the last output of PyTorch's padding is
/// dropped, as in wav2vec 2.0). Weight norm (Salimans and Kingma 2016) has one norm per tap and is
/// folded at load. The columns of each group are copied to a contiguous, zero-padded matrix.
#[derive(Clone, Debug)]
pub struct PositionConv {
    taps: usize,
    /// One per group.
    groups: Vec<FrameConv>,
}

/// Scratch memory of one thread.
#[derive(Clone, Debug, Default)]
pub struct PositionScratch {
    /// The columns of one group in the frames that a block reads, zero-padded.
    padded: Vec<f32>,
    of_group: Vec<f32>,
}

impl PositionConv {
    /// `weight` is `[channels, channels / groups, taps]`, `bias` `[channels]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not match, or there are no taps.
    pub fn new(weight: &Tensor, bias: &[f32], groups: usize) -> Self {
        let (shape, channels) = (weight.shape(), bias.len());
        assert!(groups > 0 && channels.is_multiple_of(groups), "{channels} channels in {groups} groups");
        let width = channels / groups;
        assert!(shape.len() == 3 && shape[..2] == [channels, width] && shape[2] > 0, "{shape:?}");
        let taps = shape[2];
        let values = weight.values().chunks_exact(width * width * taps);
        let group = |(values, bias): (&[f32], &[f32])| {
            let weight = Tensor::new(&[width, width, taps], values.to_vec());
            FrameConv::new(&weight, &vec![1.0; width], bias.to_vec(), FrameConvOptions::default(), Precision::F32)
        };
        Self { taps, groups: values.zip(bias.chunks_exact(width)).map(group).collect() }
    }

    /// Takes `{prefix}.weight_g` `[1, 1, taps]`, `{prefix}.weight_v`
    /// `[channels, channels / groups, taps]` and `{prefix}.bias`.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor that is missing, or has a wrong shape or a non-finite
    /// value, or the tap whose weights are all 0.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load(loader: &mut Loader<'_>, prefix: &str, channels: usize, groups: usize, taps: usize) -> Result<Self> {
        let shape = [channels, channels / groups.max(1), taps];
        let g = loader.take(&format!("{prefix}.weight_g"), &[1, 1, taps])?;
        let name = format!("{prefix}.weight_v");
        let v = loader.take(&name, &shape)?;
        let bias = loader.take(&format!("{prefix}.bias"), &[channels])?;
        let weight = fold(g.values(), v.values()).map_err(|tap| Error::Tensor {
            name,
            expected: "non-zero weights in each tap".into(),
            actual: format!("only zeros in tap {tap}"),
        })?;
        Ok(Self::new(&Tensor::new(&shape, weight), bias.values(), groups))
    }

    /// Channels of input and output.
    pub fn channels(&self) -> usize {
        self.groups.iter().map(FrameConv::outputs).sum()
    }

    /// Adds the embedding of `input` `[frames, channels]` to `output` of the same shape, with one
    /// thread per scratch.
    ///
    /// # Panics
    ///
    /// If a slice has another length, or there is no scratch.
    pub fn run_adding(&self, input: &[f32], frames: usize, output: &mut [f32], scratches: &mut [PositionScratch]) {
        let channels = self.channels();
        assert!(input.len() == frames * channels && output.len() == input.len(), "{} values", input.len());
        in_blocks(output, (channels, ROWS), scratches, |first, rows, scratch| {
            self.run_block(input, first, rows, scratch);
        });
    }

    /// Computes the rows from `first` on.
    fn run_block(&self, input: &[f32], first: usize, rows: &mut [f32], scratch: &mut PositionScratch) {
        let (channels, PositionScratch { padded, of_group }) = (self.channels(), scratch);
        let width = channels / self.groups.len().max(1);
        let (count, frames) = (rows.len() / channels, input.len() / channels);
        // the existing frames that these rows read, and their place in the zero-padded matrix
        let seen = first.saturating_sub(self.taps / 2)..frames.min(first + count + self.taps - 1 - self.taps / 2);
        let before = (seen.start + self.taps / 2 - first) * width;
        padded.clear();
        padded.resize((count + self.taps - 1) * width, 0.0);
        of_group.resize(count * width, 0.0);
        for (g, conv) in self.groups.iter().enumerate() {
            let columns = g * width..(g + 1) * width;
            let seen = input[seen.start * channels..seen.end * channels].chunks_exact(channels);
            for (to, row) in padded[before..].chunks_exact_mut(width).zip(seen) {
                to.copy_from_slice(&row[columns.clone()]);
            }
            conv.run(padded, count + self.taps - 1, of_group, &mut Scratch::default());
            gelu(of_group);
            for (row, from) in rows.chunks_exact_mut(channels).zip(of_group.chunks_exact(width)) {
                row[columns.clone()].iter_mut().zip(from).for_each(|(x, y)| *x += y);
            }
        }
    }
}

/// `g[j] · V[·, ·, j] / ‖V[·, ·, j]‖`; the error is the tap whose norm is 0.
fn fold(g: &[f32], v: &[f32]) -> Result<Vec<f32>, usize> {
    let taps = g.len();
    let mut scales = vec![0.0_f64; taps];
    for row in v.chunks_exact(taps.max(1)) {
        scales.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v) * f64::from(*v));
    }
    for (j, (scale, g)) in scales.iter_mut().zip(g).enumerate() {
        *scale = f64::from(*g) / scale.sqrt();
        if !scale.is_finite() {
            return Err(j);
        }
    }
    Ok(v.chunks_exact(taps.max(1))
        .flat_map(|row| row.iter().zip(&scales).map(|(v, s)| (f64::from(*v) * s) as f32))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, before the GELU.
    fn naive(weight: &Tensor, bias: &[f32], groups: usize, x: &[f32], (t, o): (usize, usize)) -> f64 {
        let &[channels, width, taps] = weight.shape() else { unreachable!() };
        let (frames, first) = (x.len() / channels, o / (channels / groups) * width);
        let mut sum = f64::from(bias[o]);
        for (i, j) in (0..width).flat_map(|i| (0..taps).map(move |j| (i, j))) {
            if let Some(at) = (t + j).checked_sub(taps / 2).filter(|at| *at < frames) {
                sum += f64::from(weight.values()[(o * width + i) * taps + j]) * f64::from(x[at * channels + first + i]);
            }
        }
        sum
    }

    #[test]
    fn equals_the_formula_for_odd_and_even_taps() {
        for (channels, groups, taps) in [(6, 2, 4), (6, 3, 5), (4, 1, 1), (3, 3, 8), (40, 1, 2)] {
            for frames in [0, 1, 2, 7, 19, ROWS, 2 * ROWS + 5] {
                let shape = [channels, channels / groups, taps];
                let weight = Tensor::new(&shape, noise(shape.iter().product(), 0.1));
                let (bias, x) = (noise(channels, 0.2), noise(frames * channels, 0.3));
                let layer = PositionConv::new(&weight, &bias, groups);
                let mut rows = x.clone();
                let dirty = PositionScratch { padded: vec![f32::NAN; 3], of_group: vec![f32::NAN; 500] };
                layer.run_adding(&x, frames, &mut rows, &mut [dirty.clone(), dirty]);
                for (n, got) in rows.iter().enumerate() {
                    let mut want = [naive(&weight, &bias, groups, &x, (n / channels, n % channels)) as f32];
                    gelu(&mut want);
                    assert!((x[n] + want[0] - got).abs() < 1e-5, "{shape:?}: {} {got}", x[n] + want[0]);
                }
            }
        }
    }

    fn load(v: &[f32]) -> Result<PositionConv> {
        let bytes = file(&[
            ("p.weight_g", &[1, 1, 2], &[3.0, -0.5]),
            ("p.weight_v", &[2, 1, 2], v),
            ("p.bias", &[2], &[0.0, 0.0]),
        ]);
        PositionConv::load(&mut loader(&bytes), "p", 2, 2, 2)
    }

    #[test]
    fn weight_norm_has_one_norm_per_tap() {
        // taps: (3, 4) of norm 5, (1, 0) of norm 1
        let weight = fold(&[3.0, -0.5], &[3.0, 1.0, 4.0, 0.0]).unwrap();
        for (got, want) in weight.iter().zip([1.8, -0.5, 2.4, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{weight:?}");
        }
        assert_eq!(load(&[3.0, 1.0, 4.0, 0.0]).unwrap().channels(), 2);
    }

    #[test]
    fn a_tap_of_zeros_is_named() {
        let message = load(&[3.0, 0.0, 4.0, 0.0]).unwrap_err().to_string();
        assert!(message.contains("`p.weight_v`") && message.contains("tap 1"), "{message}");
    }
}
