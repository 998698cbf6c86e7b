//! Multi-head self-attention, plain (Whisper) or with gated relative position bias (WavLM, Chen et
//! al. 2022).

mod gate;
mod head;
mod position_bias;

pub use gate::Gate;
pub use position_bias::PositionBias;

use crate::error::Result;
use crate::nn::blocks::in_blocks;
use crate::nn::frame_conv::FrameConv;
use crate::nn::loader::Loader;
use crate::nn::quantisation::Int8Tensor;
use crate::nn::scratch::Scratch;
use crate::nn::tensor::Tensor;
use head::{Columns, Head, HeadScratch};

/// Queries per block and thread: four tiles of the product. Their scores over the keys of a minute
/// take half a megabyte and stay in the L2 cache.
const QUERIES: usize = 40;
/// Rows per block and thread of the projections.
const ROWS: usize = 256;

/// Multi-head self-attention (Vaswani et al. 2017) with an optional bias for the distance between
/// query and key, times a gate of the query:
///
/// ```text
/// q, k, v = W_q x + b_q, W_k x + b_k, W_v x + b_v                    each [frames, heads · head_dim]
/// s[h, t, u] = q[t, h] · k[u, h] / sqrt(head_dim) + gate[t, h] · bias[h, u − t]
/// y = W_o · (Σ_u softmax_u(s)[h, t, u] · v[u, h]) + b_o
/// ```
///
/// The full score matrix is never stored: each thread computes 40 rows of one head at a time, and
/// the bias is read from a table of distances. So memory grows linearly with the number of frames.
/// In int8 the four projections and the scores are int8 products; gate, softmax and the weighted
/// sum of the values are f32.
#[derive(Clone, Debug)]
pub struct Attention {
    heads: usize,
    head_dim: usize,
    /// Projection to queries (already divided by the square root), keys and values.
    qkv: FrameConv,
    /// `None` without a position bias.
    gate: Option<Gate>,
    out: FrameConv,
}

/// Scratch memory of [`Attention::run_adding`]; grows to the longest input.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    /// `[frames, 3 · channels]`.
    qkv: Vec<f32>,
    /// `[frames, heads]`.
    gates: Vec<f32>,
    /// The bias of a head without one.
    zeros: Vec<f32>,
    head: Head,
    threads: Vec<(HeadScratch, Scratch)>,
    /// `[frames, channels]`.
    context: Vec<f32>,
}

impl AttentionScratch {
    /// Sets the number of threads; the default is 1.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads.resize_with(threads.max(1), Default::default);
    }
}

impl Attention {
    /// Takes `{prefix}.q_proj`, `.k_proj`, `.v_proj`, `.out_proj` (weight and bias each) and the
    /// [`Gate`]'s tensors.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    ///
    /// # Panics
    ///
    /// If the channels are not a multiple of the heads.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, channels: usize, heads: usize) -> Result<Self> {
        assert!(heads > 0 && channels > 0 && channels.is_multiple_of(heads), "{channels} channels, {heads} heads");
        let head_dim = channels / heads;
        let qkv = load_qkv(loader, prefix, channels, head_dim, [true; 3])?;
        let gate = Some(Gate::load(loader, prefix, heads, head_dim)?);
        let out = load_out(loader, prefix, channels)?;
        Ok(Self { heads, head_dim, qkv, gate, out })
    }

    /// Takes the same projections for attention without a position bias. The keys have no bias, as
    /// in Whisper: softmax ignores it.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    ///
    /// # Panics
    ///
    /// As [`Self::load`].
    pub fn load_plain(loader: &mut Loader<'_>, prefix: &str, channels: usize, heads: usize) -> Result<Self> {
        assert!(heads > 0 && channels > 0 && channels.is_multiple_of(heads), "{channels} channels, {heads} heads");
        let head_dim = channels / heads;
        let qkv = load_qkv(loader, prefix, channels, head_dim, [true, false, true])?;
        let out = load_out(loader, prefix, channels)?;
        Ok(Self { heads, head_dim, qkv, gate: None, out })
    }

    /// The tensors of the model file that it computes with in int8.
    pub fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        self.qkv.int8_tensors().iter().chain(self.out.int8_tensors())
    }

    /// Channels of input and output.
    pub fn channels(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Adds the attention of `[frames, channels]` to `output`, which has the same shape. `bias` is
    /// [`PositionBias::table`] for this number of frames; empty for attention without a bias.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run_adding(
        &self,
        input: &[f32],
        frames: usize,
        bias: &[f32],
        output: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let channels = self.channels();
        assert!(input.len() == frames * channels && output.len() == input.len());
        let distances = (2 * frames).saturating_sub(1);
        let expected = if self.gate.is_some() { self.heads * distances } else { 0 };
        assert!(bias.len() == expected, "{} values of bias", bias.len());
        if frames == 0 {
            return;
        }
        let AttentionScratch { qkv, gates, zeros, head, threads, context } = scratch;
        if threads.is_empty() {
            threads.resize_with(1, Default::default);
        }
        qkv.resize(frames * 3 * channels, 0.0);
        in_blocks(qkv, (3 * channels, ROWS), threads, |first, rows, (_, products)| {
            let count = rows.len() / (3 * channels);
            self.qkv.run(&input[first * channels..][..count * channels], count, rows, products);
        });
        gates.resize(frames * self.heads, 0.0);
        match &self.gate {
            Some(gate) => gate.run(input, gates),
            None => gates.fill(0.0),
        }
        zeros.resize(distances, 0.0);
        context.resize(frames * channels, 0.0);
        for h in 0..self.heads {
            let bias = bias.get(h * distances..(h + 1) * distances).unwrap_or(zeros);
            let columns = Columns { qkv, channels, head: h, head_dim: self.head_dim };
            head.read(columns, frames, self.qkv.precision());
            in_blocks(context, (channels, QUERIES), threads, |first, context, (scratch, products)| {
                let queries = first..first + context.len() / channels;
                let gates = gates[first * self.heads + h..].iter().step_by(self.heads).copied();
                head.attend(columns, queries, (bias, gates), &mut context[h * self.head_dim..], (scratch, products));
            });
        }
        in_blocks(output, (channels, ROWS), threads, |first, rows, (_, products)| {
            let count = rows.len() / channels;
            self.out.run_adding(&context[first * channels..][..count * channels], count, rows, products);
        });
    }
}

/// The projections to queries (divided by the square root of the channels of a head), keys and
/// values, as one layer. `biased`: which of them have a bias.
fn load_qkv(
    loader: &mut Loader<'_>,
    prefix: &str,
    channels: usize,
    head_dim: usize,
    biased: [bool; 3],
) -> Result<FrameConv> {
    let (mut weight, mut factors, mut bias) = (Vec::new(), Vec::new(), Vec::new());
    let names = ["q_proj", "k_proj", "v_proj"].map(|part| format!("{prefix}.{part}"));
    for ((name, factor), biased) in names.iter().zip([1.0 / (head_dim as f32).sqrt(), 1.0, 1.0]).zip(biased) {
        weight.extend(loader.take(&format!("{name}.weight"), &[channels, channels])?.into_values());
        factors.extend(vec![factor; channels]);
        if biased {
            bias.extend(loader.take(&format!("{name}.bias"), &[channels])?.values().iter().map(|b| b * factor));
        } else {
            bias.resize(bias.len() + channels, 0.0);
        }
    }
    let weight = Tensor::new(&[3 * channels, channels], weight);
    let qkv = FrameConv::linear(weight, &factors, bias, loader.precision());
    Ok(qkv.with_tensors(names.map(|name| format!("{name}.weight"))))
}

fn load_out(loader: &mut Loader<'_>, prefix: &str, channels: usize) -> Result<FrameConv> {
    let precision = loader.precision();
    FrameConv::load_linear(loader, &format!("{prefix}.out_proj"), [channels, channels], precision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::precision::Precision;
    use crate::nn::precision::tests::{BOTH, activations_read, weights_read};
    use crate::nn::weights::Weights;
    use crate::nn::weights::test_files::file;
    use std::ops::Range;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    struct Parts {
        channels: usize,
        heads: usize,
        /// Queries, keys, values, output: weight and bias.
        maps: Vec<(Vec<f32>, Vec<f32>)>,
        gate: [Vec<f32>; 3],
        embedding: Vec<f32>,
    }

    const BUCKETS: usize = 8;

    impl Parts {
        fn new(channels: usize, heads: usize) -> Self {
            let map = |i: usize| (noise(channels * channels, i as f32), noise(channels, 0.5 + i as f32));
            let head_dim = channels / heads;
            let gate = [noise(8 * head_dim, 5.0), noise(8, 6.0), noise(heads, 7.0)];
            Self { channels, heads, maps: (0..4).map(map).collect(), gate, embedding: noise(BUCKETS * heads, 8.0) }
        }

        fn layer(&self, precision: Precision) -> (Attention, PositionBias) {
            let (c, heads) = (self.channels, self.heads);
            let names =
                ["q_proj", "k_proj", "v_proj", "out_proj"].map(|n| [format!("a.{n}.weight"), format!("a.{n}.bias")]);
            let (square, vector, wide, gates) = ([c, c], [c], [8, c / heads], [1, heads, 1, 1]);
            let mut tensors: Vec<(&str, &[usize], &[f32])> = Vec::new();
            for (names, (weight, bias)) in names.iter().zip(&self.maps) {
                tensors.push((&names[0], &square, weight));
                tensors.push((&names[1], &vector, bias));
            }
            tensors.push(("a.gru_rel_pos_linear.weight", &wide, &self.gate[0]));
            tensors.push(("a.gru_rel_pos_linear.bias", &[8], &self.gate[1]));
            tensors.push(("a.gru_rel_pos_const", &gates, &self.gate[2]));
            let bytes = file(&tensors);
            let mut loader = Loader::new(Weights::from_bytes(&bytes).unwrap(), precision);
            let layer = Attention::load(&mut loader, "a", c, heads).unwrap();
            loader.finish().unwrap();
            (layer, PositionBias::new(&Tensor::new(&[BUCKETS, heads], self.embedding.clone()), 20))
        }

        /// Without the bias of the keys, the gate and the position bias.
        fn plain_layer(&self, precision: Precision) -> Attention {
            let c = self.channels;
            let (square, vector) = ([c, c], [c]);
            let names =
                ["q_proj", "k_proj", "v_proj", "out_proj"].map(|n| [format!("a.{n}.weight"), format!("a.{n}.bias")]);
            let mut tensors: Vec<(&str, &[usize], &[f32])> = Vec::new();
            for (i, (names, (weight, bias))) in names.iter().zip(&self.maps).enumerate() {
                tensors.push((&names[0], &square, weight));
                if i != 1 {
                    tensors.push((&names[1], &vector, bias));
                }
            }
            let bytes = file(&tensors);
            let mut loader = Loader::new(Weights::from_bytes(&bytes).unwrap(), precision);
            let layer = Attention::load_plain(&mut loader, "a", c, self.heads).unwrap();
            loader.finish().unwrap();
            layer
        }

        /// One of the projections, in f64, with the weights and activations that its layer computes
        /// with.
        fn map(&self, precision: Precision, which: usize, x: &[f64]) -> Vec<Vec<f64>> {
            let (weight, bias) = &self.maps[which];
            let weight = weights_read(precision, weight, self.channels);
            let x: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let product = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            let of_row = |x: &[f64]| {
                weight.chunks(self.channels).zip(bias).map(|(w, b)| product(w, x) + f64::from(*b)).collect()
            };
            activations_read(precision, &x, self.channels).chunks(self.channels).map(of_row).collect()
        }

        /// The formula, in f64, with the weights and activations that the layers compute with.
        fn naive(&self, precision: Precision, x: &[f32], frames: usize, gates: &[f32], table: &[f32]) -> Vec<f64> {
            let dim = self.channels / self.heads;
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let [q, k, v] = [0, 1, 2].map(|which| self.map(precision, which, &x));
            let mut contexts = vec![Vec::new(); frames];
            for h in 0..self.heads {
                let own = h * dim..(h + 1) * dim;
                let (q, k) = (of_head(precision, &q, &own, false), of_head(precision, &k, &own, true));
                for (t, context) in contexts.iter_mut().enumerate() {
                    let score = |u: usize| {
                        let bias = f64::from(table[h * (2 * frames - 1) + frames - 1 + u - t]);
                        let product: f64 = q[t].iter().zip(&k[u]).map(|(q, k)| q * k).sum();
                        product + f64::from(gates[t * self.heads + h]) * bias
                    };
                    let weights: Vec<f64> = (0..frames).map(|u| score(u).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    context.extend(own.clone().map(|i| (0..frames).map(|u| weights[u] / total * v[u][i]).sum::<f64>()));
                }
            }
            self.map(precision, 3, &contexts.concat()).concat()
        }
    }

    /// Queries or keys of one head, scaled, centred and quantised as in its products.
    fn of_head(precision: Precision, rows: &[Vec<f64>], own: &Range<usize>, keys: bool) -> Vec<Vec<f64>> {
        let (dim, mut rows) = (own.len(), rows.iter().map(|row| row[own.clone()].to_vec()).collect::<Vec<_>>());
        let mean = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64;
        let mean: Vec<f64> =
            (0..dim).map(|i| if keys && precision == Precision::Int8 { mean(i) } else { 0.0 }).collect();
        let divisor = if keys { 1.0 } else { (dim as f64).sqrt() };
        rows.iter_mut().flat_map(|row| row.iter_mut().zip(&mean)).for_each(|(x, mean)| *x = (*x - mean) / divisor);
        let flat: Vec<f32> = rows.concat().iter().map(|x| *x as f32).collect();
        let read = if keys { weights_read } else { activations_read };
        read(precision, &flat, dim).chunks(dim).map(<[f64]>::to_vec).collect()
    }

    /// Without a bias: the same formula with gates of zero.
    #[test]
    fn plain_attention_equals_the_formula() {
        for precision in BOTH {
            for (channels, heads, frames) in [(4, 2, 1), (12, 3, 9), (4, 2, QUERIES + 3)] {
                let mut parts = Parts::new(channels, heads);
                parts.maps[1].1.fill(0.0);
                let layer = parts.plain_layer(precision);
                let x = noise(frames * channels, 0.9);
                let (mut y, mut scratch) = (vec![0.25; x.len()], AttentionScratch::default());
                layer.run_adding(&x, frames, &[], &mut y, &mut scratch);
                let (gates, table) = (vec![0.0; frames * heads], vec![0.0; heads * (2 * frames - 1)]);
                let want = parts.naive(precision, &x, frames, &gates, &table);
                let worst = want.iter().zip(&y).map(|(w, g)| (w + 0.25 - f64::from(*g)).abs()).fold(0.0, f64::max);
                let bound = if precision == Precision::F32 { 1e-4 } else { 0.05 };
                assert!(worst < bound, "{precision:?} {channels} {heads} {frames}: {worst}");
            }
        }
    }

    /// In int8 a rounding error in f32 can move a value to the next quantisation step, 1 % of the
    /// largest value here; few values are affected.
    #[test]
    fn equals_the_formula_with_one_and_several_blocks_of_queries() {
        let mut scratch = AttentionScratch::default();
        for (channels, heads, frames) in [(4, 2, 1), (12, 3, 9), (6, 1, 33), (4, 2, QUERIES + 3), (10, 5, 5)] {
            for precision in BOTH {
                let parts = Parts::new(channels, heads);
                let (layer, bias) = parts.layer(precision);
                let x = noise(frames * channels, 0.9);
                let (mut table, mut gates) = (Vec::new(), vec![0.0; frames * heads]);
                bias.table(frames, &mut table);
                layer.gate.as_ref().unwrap().run(&x, &mut gates);
                let mut y = vec![0.25; x.len()];
                layer.run_adding(&x, frames, &table, &mut y, &mut scratch);
                let want = parts.naive(precision, &x, frames, &gates, &table);
                let far = |(want, got): (&f64, &f32)| (want + 0.25 - f64::from(*got)).abs();
                let worst = want.iter().zip(&y).map(far).fold(0.0, f64::max);
                let moved = want.iter().zip(&y).filter(|pair| far(*pair) > 1e-4).count();
                let (bound, most_moved) = if precision == Precision::F32 { (1e-4, 0) } else { (0.05, y.len() / 10) };
                assert!(
                    worst < bound && moved <= most_moved,
                    "{precision:?} {channels} {heads} {frames}: {worst} {moved}"
                );
            }
        }
        let (layer, _) = Parts::new(4, 2).layer(Precision::F32);
        layer.run_adding(&[], 0, &[], &mut [], &mut scratch);
    }

    /// Neither the previous content of the scratch, with NaN, nor a second thread changes the
    /// result.
    #[test]
    fn a_used_scratch_gives_bit_identical_results() {
        for precision in BOTH {
            let (layer, bias) = Parts::new(12, 3).layer(precision);
            let mut used = AttentionScratch::default();
            used.set_threads(2);
            let run = |x: &[f32], scratch: &mut AttentionScratch| {
                let (mut table, mut y) = (Vec::new(), vec![0.0; x.len()]);
                bias.table(x.len() / 12, &mut table);
                layer.run_adding(x, x.len() / 12, &table, &mut y, scratch);
                y
            };
            assert!(run(&[f32::NAN; 12 * 300], &mut used).iter().all(|y| y.is_nan()));
            for frames in [20, 3, 2 * QUERIES + 7] {
                let x = noise(frames * 12, 0.3);
                assert_eq!(run(&x, &mut used), run(&x, &mut AttentionScratch::default()), "{precision:?}");
            }
        }
    }

    /// A constant added to all keys, as by their bias, does not reduce the precision of the scores.
    #[test]
    fn a_constant_added_to_all_keys_changes_the_result_little() {
        for precision in BOTH {
            let (mut parts, frames) = (Parts::new(12, 3), 30);
            let x = noise(frames * 12, 0.3);
            let mut of = |shift: f32| {
                parts.maps[1].1.iter_mut().for_each(|b| *b += shift);
                let (layer, bias) = parts.layer(precision);
                let (mut table, mut y) = (Vec::new(), vec![0.0; x.len()]);
                bias.table(frames, &mut table);
                layer.run_adding(&x, frames, &table, &mut y, &mut AttentionScratch::default());
                y
            };
            let (plain, shifted) = (of(0.0), of(50.0));
            let worst = plain.iter().zip(&shifted).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
            assert!(worst < 0.01, "{precision:?}: {worst}");
        }
    }
}
