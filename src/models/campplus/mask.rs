//! Context-aware masking (CAM): weights each new channel by the means over the input and over a
//! segment.

use crate::error::Result;
use crate::models::tap::resize_scratch;
use crate::nn::{Linear, Loader, Tensor, add_row, relu, sigmoid};

/// Context-aware mask (Wang et al. 2023, section 2.2, with segments instead of single frames):
///
/// ```text
/// context[s] = mean of all frames of h + mean of the frames of h in segment s
/// y[t] = y[t] · sigmoid(W2 · relu(W1 · context[s] + b1) + b2)                 for t in segment s
/// ```
///
/// The last segment may be shorter; its mean is over its frames. Sums over frames are f64.
#[derive(Debug)]
pub(super) struct Mask {
    first: Linear,
    second: Linear,
    segment: usize,
}

/// Scratch memory.
#[derive(Debug, Default)]
pub(super) struct Means {
    /// Sums over each segment, and over all frames.
    segments: Vec<f64>,
    all: Vec<f64>,
    context: Vec<f32>,
    hidden: Vec<f32>,
    mask: Vec<f32>,
}

impl Mask {
    /// Takes `{prefix}.linear1` and `.linear2`, dense layers stored as convolutions of one tap:
    /// `inputs → hidden → outputs`.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        prefix: &str,
        [inputs, hidden, outputs]: [usize; 3],
        segment: usize,
    ) -> Result<Self> {
        let mut linear = |n: usize, inputs: usize, outputs: usize| -> Result<Linear> {
            let weight = loader.take(&format!("{prefix}.linear{n}.weight"), &[outputs, inputs, 1])?;
            let bias = loader.take(&format!("{prefix}.linear{n}.bias"), &[outputs])?;
            Ok(Linear::new(Tensor::new(&[outputs, inputs], weight.into_values()), bias.into_values()))
        };
        Ok(Self { first: linear(1, inputs, hidden)?, second: linear(2, hidden, outputs)?, segment })
    }

    /// Multiplies the first `outputs` columns of `values`, `frames` rows that start `stride` values
    /// apart, by the mask of `frames` rows of `h`.
    pub(super) fn run(&self, h: &[f32], frames: usize, values: &mut [f32], stride: usize, means: &mut Means) {
        let Means { segments, all, context, hidden, mask } = means;
        let inputs = self.first.inputs();
        let (context, hidden) = (resize_scratch(context, inputs), resize_scratch(hidden, self.first.outputs()));
        let mask = resize_scratch(mask, self.second.outputs());
        all.clear();
        all.resize(inputs, 0.0);
        segments.clear();
        for h in h.chunks(self.segment * inputs) {
            let first = segments.len();
            segments.resize(first + inputs, 0.0);
            h.chunks_exact(inputs).for_each(|row| add_row(&mut segments[first..], row));
            all.iter_mut().zip(&segments[first..]).for_each(|(all, sum)| *all += sum);
        }
        let of_segments = segments.chunks_exact(inputs);
        for ((h, values), sums) in
            h.chunks(self.segment * inputs).zip(values.chunks_mut(self.segment * stride)).zip(of_segments)
        {
            let own = (h.len() / inputs) as f64;
            for ((c, sum), all) in context.iter_mut().zip(sums).zip(&*all) {
                *c = (sum / own + all / frames as f64) as f32;
            }
            self.first.run(context, 1, hidden);
            relu(hidden);
            self.second.run(hidden, 1, mask);
            for x in mask.iter_mut() {
                *x = sigmoid(*x);
            }
            for row in values.chunks_mut(stride) {
                row.iter_mut().zip(&*mask).for_each(|(y, m)| *y *= m);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for the mask of frame `t`.
    fn naive(mask: &Mask, weights: [&[f32]; 4], h: &[f32], frames: usize, t: usize) -> Vec<f64> {
        let inputs = mask.first.inputs();
        let mean = |range: std::ops::Range<usize>, c: usize| {
            range.clone().map(|t| f64::from(h[t * inputs + c])).sum::<f64>() / range.len() as f64
        };
        let start = t / mask.segment * mask.segment;
        let context: Vec<f64> =
            (0..inputs).map(|c| mean(0..frames, c) + mean(start..frames.min(start + mask.segment), c)).collect();
        let linear = |w: &[f32], b: &[f32], x: &[f64]| -> Vec<f64> {
            let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
            w.chunks(x.len()).zip(b).map(|(row, b)| dot(row) + f64::from(*b)).collect()
        };
        let hidden: Vec<f64> = linear(weights[0], weights[1], &context).iter().map(|x| x.max(0.0)).collect();
        linear(weights[2], weights[3], &hidden).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
    }

    #[test]
    fn equals_the_formula_with_a_last_segment_of_any_length() {
        let (inputs, hidden, outputs, stride) = (7, 5, 3, 4);
        let parts =
            [noise(hidden * inputs, 0.1), noise(hidden, 0.2), noise(outputs * hidden, 0.3), noise(outputs, 0.4)];
        for segment in [1, 4, 10, 100] {
            let mask = Mask {
                first: Linear::new(Tensor::new(&[hidden, inputs], parts[0].clone()), parts[1].clone()),
                second: Linear::new(Tensor::new(&[outputs, hidden], parts[2].clone()), parts[3].clone()),
                segment,
            };
            let mut means = Means { all: vec![f64::NAN; 9], mask: vec![f32::NAN; 9], ..Means::default() };
            for frames in [1, 4, 9, 20, 21] {
                let h = noise(frames * inputs, 0.5);
                let mut y = vec![1.0; frames * stride];
                // the columns after the last one belong to another layer
                y.chunks_mut(stride).for_each(|row| row[outputs] = 9.0);
                mask.run(&h, frames, &mut y, stride, &mut means);
                for (t, row) in y.chunks(stride).enumerate() {
                    assert_eq!(row[outputs], 9.0);
                    let want = naive(&mask, [&parts[0], &parts[1], &parts[2], &parts[3]], &h, frames, t);
                    for (want, got) in want.iter().zip(row) {
                        assert!((want - f64::from(*got)).abs() < 1e-6, "segment {segment}, frame {t} of {frames}");
                    }
                }
            }
        }
    }
}
