//! Self-attention of many heads with a gated bias for the distance between frames, as in WavLM (Chen et al. 2022).

mod gate;
mod head;
mod position_bias;

pub use gate::Gate;
pub use position_bias::PositionBias;

use crate::error::Result;
use crate::nn::{Precision, Scratch, StridedConv, Tensor, Weights, in_blocks};
use head::{Columns, Head, HeadScratch};

/// Queries whose weights over all keys a thread holds at once: four of the products' tiles, half a megabyte for a minute's keys, which stays in the
/// second-level cache.
const QUERIES: usize = 40;
/// Rows of the linear maps that a thread computes at a time.
const ROWS: usize = 256;

/// Multi-head self-attention (Vaswani et al. 2017) whose scores have a bias for the distance, times a gate of the query:
///
/// ```text
/// q, k, v = W_q x + b_q, W_k x + b_k, W_v x + b_v                    each [frames, heads · head_dim]
/// s[h, t, u] = q[t, h] · k[u, h] / sqrt(head_dim) + gate[t, h] · bias[h, u − t]
/// y = W_o · (Σ_u softmax_u(s)[h, t, u] · v[u, h]) + b_o
/// ```
///
/// The scores of all frames with each other are never held: 40 rows of one head at a time on each thread, and the bias is read from a table of
/// distances. So memory grows with the frames, not with their square. In [`Precision::Int8`] the four linear maps and the scores are products of codes; gate,
/// softmax and what is made of the values are not.
#[derive(Clone, Debug)]
pub struct Attention {
    heads: usize,
    head_dim: usize,
    /// Queries (divided by the root already), keys and values in one product.
    qkv: StridedConv,
    gate: Gate,
    out: StridedConv,
}

/// What [`Attention::run_adding`] needs beside its input; grows to the longest one that it saw.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    /// `[frames, 3 · channels]`.
    qkv: Vec<f32>,
    /// `[frames, heads]`.
    gates: Vec<f32>,
    head: Head,
    threads: Vec<(HeadScratch, Scratch)>,
    /// `[frames, channels]`.
    context: Vec<f32>,
}

impl AttentionScratch {
    /// How many threads share the work: one, unless told.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads.resize_with(threads.max(1), Default::default);
    }
}

impl Attention {
    /// Takes `{prefix}.q_proj`, `.k_proj`, `.v_proj`, `.out_proj` (weight and bias each) and the [`Gate`]'s tensors.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, misshapen or not finite.
    ///
    /// # Panics
    ///
    /// If the channels do not fall into heads.
    pub fn load(weights: &mut Weights<'_>, prefix: &str, channels: usize, heads: usize) -> Result<Self> {
        assert!(heads > 0 && channels > 0 && channels.is_multiple_of(heads), "{channels} channels, {heads} heads");
        let (head_dim, precision) = (channels / heads, weights.precision());
        let qkv = load_qkv(weights, prefix, channels, head_dim)?;
        let gate = Gate::load(weights, prefix, heads, head_dim)?;
        let out = StridedConv::load_linear(weights, &format!("{prefix}.out_proj"), [channels, channels], precision)?;
        Ok(Self { heads, head_dim, qkv, gate, out })
    }

    /// Channels of input and output.
    pub fn channels(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The attention of `[frames, channels]`, added to `output`, which has the same shape. `bias` is [`PositionBias::table`]'s for as many frames.
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
        assert!(bias.len() == self.heads * (2 * frames).saturating_sub(1), "{} values of bias", bias.len());
        if frames == 0 {
            return;
        }
        let AttentionScratch { qkv, gates, head, threads, context } = scratch;
        if threads.is_empty() {
            threads.resize_with(1, Default::default);
        }
        qkv.resize(frames * 3 * channels, 0.0);
        in_blocks(qkv, (3 * channels, ROWS), threads, |first, rows, (_, products)| {
            let count = rows.len() / (3 * channels);
            self.qkv.run(&input[first * channels..][..count * channels], count, rows, products);
        });
        gates.resize(frames * self.heads, 0.0);
        self.gate.run(input, gates);
        context.resize(frames * channels, 0.0);
        for (h, bias) in bias.chunks_exact(2 * frames - 1).enumerate() {
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

/// The maps to queries (divided by the root of a head's channels), keys and values as one.
fn load_qkv(weights: &mut Weights<'_>, prefix: &str, channels: usize, head_dim: usize) -> Result<StridedConv> {
    let (mut weight, mut factors, mut bias) = (Vec::new(), Vec::new(), Vec::new());
    let names = ["q_proj", "k_proj", "v_proj"].map(|part| format!("{prefix}.{part}"));
    for (name, factor) in names.iter().zip([1.0 / (head_dim as f32).sqrt(), 1.0, 1.0]) {
        weight.extend(weights.take(&format!("{name}.weight"), &[channels, channels])?.into_values());
        factors.extend(vec![factor; channels]);
        bias.extend(weights.take(&format!("{name}.bias"), &[channels])?.values().iter().map(|b| b * factor));
    }
    let weight = Tensor::new(&[3 * channels, channels], weight);
    let qkv = StridedConv::linear(weight, &factors, bias, weights.precision());
    if qkv.precision() == Precision::Int8 {
        for name in names {
            weights.note_codes(format!("{name}.weight"));
        }
    }
    Ok(qkv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::precision::tests::{BOTH, activations_read, weights_read};
    use crate::nn::weights::tests::file;
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
            let mut weights = Weights::from_bytes(&bytes).unwrap();
            weights.set_precision(precision);
            let layer = Attention::load(&mut weights, "a", c, heads).unwrap();
            weights.finish().unwrap();
            (layer, PositionBias::new(&Tensor::new(&[BUCKETS, heads], self.embedding.clone()), 20))
        }

        /// One of the linear maps, in f64, of what its layer reads.
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

        /// The formula, in f64, of what the layers read.
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

    /// Queries or keys of one head, divided, centred and read as its products do.
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

    /// In int8 a value that rounding in f32 moves over the edge between two codes is a step away: 1 % of the largest value here, and few are.
    #[test]
    fn equals_the_formula_with_one_block_of_queries_and_with_more() {
        let mut scratch = AttentionScratch::default();
        for (channels, heads, frames) in [(4, 2, 1), (12, 3, 9), (6, 1, 33), (4, 2, QUERIES + 3), (10, 5, 5)] {
            for precision in BOTH {
                let parts = Parts::new(channels, heads);
                let (layer, bias) = parts.layer(precision);
                let x = noise(frames * channels, 0.9);
                let (mut table, mut gates) = (Vec::new(), vec![0.0; frames * heads]);
                bias.table(frames, &mut table);
                layer.gate.run(&x, &mut gates);
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

    /// Scratch that held another clip's numbers, NaN among them, changes nothing; nor does a second thread.
    #[test]
    fn a_used_scratch_changes_no_bit() {
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

    /// What the scores share, as from a bias of the keys, costs them no digits.
    #[test]
    fn what_all_keys_have_in_common_changes_next_to_nothing() {
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
