//! One attention head: packed keys and values, and the attention of blocks of queries.

use std::ops::Range;

use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::packed::{Packed, Rows};
use crate::kernels::softmax::exp_biased;
use crate::nn::packed_weights::{Activations, Layout, PackedWeights};
use crate::nn::precision::Precision;
use crate::nn::scratch::Scratch;

/// The columns of one head in the queries, keys and values of all heads, `[frames, 3 · channels]`.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) qkv: &'a [f32],
    pub(super) channels: usize,
    pub(super) head: usize,
    pub(super) head_dim: usize,
}

impl<'a> Columns<'a> {
    fn stride(&self) -> usize {
        3 * self.channels
    }

    /// The values from the first query, key or value of the head on.
    fn part(&self, part: usize) -> &'a [f32] {
        &self.qkv[part * self.channels + self.head * self.head_dim..]
    }

    /// The rows of the head of one part, for some frames.
    fn rows(&self, part: usize, frames: Range<usize>) -> impl Iterator<Item = &'a [f32]> {
        let (values, stride, length) = (self.part(part), self.stride(), self.head_dim);
        frames.map(move |t| &values[t * stride..][..length])
    }
}

const QUERIES: usize = 0;
const KEYS: usize = 1;
const VALUES: usize = 2;

/// Keys and values of one head, packed for the products with all queries.
///
/// In [`Precision::Int8`] the scores are int8 products with one scale per query and per key. The
/// weighted sum of the values stays in f32, because a weight of a hundredth of the largest one
/// would have no digits left. The mean of the keys is subtracted first: it adds a constant to all
/// scores of a query, which softmax ignores, and would take up most of the range (Zhang et al.
/// 2024, "SageAttention", section 4.2).
#[derive(Debug, Default)]
pub(super) struct Head {
    frames: usize,
    dim: usize,
    keys: PackedWeights,
    /// Mean of the keys.
    mean: Vec<f32>,
    /// `[frames, dim]`: the keys minus their mean.
    centred: Vec<f32>,
    values: Packed,
    /// The bias of the products, which have none.
    zeros: Vec<f32>,
}

/// Scratch memory of one thread for its queries.
#[derive(Debug, Default)]
pub(super) struct HeadScratch {
    /// `[queries, dim]`.
    queries: Vec<f32>,
    /// `[queries, frames]`.
    scores: Vec<f32>,
    /// Sum of the softmax numerators of each query.
    sums: Vec<f32>,
}

impl Head {
    /// Packs keys and values of `frames` frames.
    pub(super) fn read(&mut self, columns: Columns<'_>, frames: usize, precision: Precision) {
        let (stride, head_dim) = (columns.stride(), columns.head_dim);
        (self.frames, self.dim) = (frames, head_dim);
        self.zeros.resize(frames.max(head_dim), 0.0);
        let (keys, key_stride) = match precision {
            Precision::F32 => (columns.part(KEYS), stride),
            Precision::Int8 => {
                self.centre(columns);
                (&self.centred[..], head_dim)
            }
        };
        self.keys.refill(keys, key_stride, [head_dim, frames], precision);
        self.values.refill(columns.part(VALUES), stride, [frames, head_dim]);
    }

    /// Subtracts the mean of the keys.
    fn centre(&mut self, columns: Columns<'_>) {
        self.mean.clear();
        self.mean.resize(self.dim, 0.0);
        for key in columns.rows(KEYS, 0..self.frames) {
            self.mean.iter_mut().zip(key).for_each(|(m, k)| *m += k);
        }
        for m in &mut self.mean {
            *m /= self.frames as f32;
        }
        self.centred.clear();
        for key in columns.rows(KEYS, 0..self.frames) {
            self.centred.extend(key.iter().zip(&self.mean).map(|(k, m)| k - m));
        }
    }

    /// Attention of the queries of some frames. `context` starts at the first column of the head in
    /// the rows of these frames, `channels` apart. `bias` is the part of
    /// [`PositionBias::table`](super::PositionBias::table) for this head; `gates` has one value per
    /// query.
    pub(super) fn attend(
        &self,
        columns: Columns<'_>,
        frames: Range<usize>,
        (bias, gates): (&[f32], impl Iterator<Item = f32>),
        context: &mut [f32],
        (scratch, products): (&mut HeadScratch, &mut Scratch),
    ) {
        let (all, dim, count) = (self.frames, self.dim, frames.len());
        let HeadScratch { queries, scores, sums } = scratch;
        queries.clear();
        columns.rows(QUERIES, frames.clone()).for_each(|row| queries.extend_from_slice(row));
        scores.resize(count * all, 0.0);
        self.scores(queries, scores, products);
        sums.clear();
        for ((scores, t), gate) in scores.chunks_exact_mut(all).zip(frames).zip(gates) {
            sums.push(exp_biased(scores, &bias[all - 1 - t..][..all], gate));
        }
        let (bias, epilogue) = (&self.zeros[..dim], Epilogue::Linear);
        let out = Output { values: &mut *context, stride: columns.channels, bias, epilogue };
        self.values.run(Rows { values: scores, strides: [all, 0] }, 0..1, count, out);
        for (row, sum) in context.chunks_mut(columns.channels).zip(sums) {
            row[..dim].iter_mut().for_each(|y| *y /= *sum);
        }
    }

    /// `[queries, head_dim]` → `[queries, frames]`.
    fn scores(&self, queries: &[f32], scores: &mut [f32], Scratch { quantised, .. }: &mut Scratch) {
        let (all, dim) = (self.frames, self.dim);
        let (count, bias) = (queries.len() / dim, &self.zeros[..all]);
        if self.keys.precision() == Precision::Int8 {
            quantised.quantise(queries.chunks_exact(dim), dim);
        }
        let x = Activations { values: queries, quantised };
        let layout = Layout { first: 0, strides: [dim, 0], first_scale: 0, scale_strides: [1, 0] };
        self.keys.run(x, layout, 0..1, count, Output { values: scores, stride: all, bias, epilogue: Epilogue::Linear });
    }
}
