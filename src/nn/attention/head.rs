//! One head of an attention: keys and values laid out for products, and queries that read them.

use std::ops::Range;

use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::int8::{Int8Rows, Int8Weights};
use crate::kernels::packed::{Packed, Rows};
use crate::kernels::softmax::exp_biased;
use crate::nn::{Precision, Scratch};

/// Queries, keys and values of all heads, `[frames, 3 · channels]`, and which head's are meant.
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

    /// From the head's first query, key or value on.
    fn part(&self, part: usize) -> &'a [f32] {
        &self.qkv[part * self.channels + self.head * self.head_dim..]
    }

    /// The head's rows of a part, for some frames.
    fn rows(&self, part: usize, frames: Range<usize>) -> impl Iterator<Item = &'a [f32]> {
        let (values, stride, length) = (self.part(part), self.stride(), self.head_dim);
        frames.map(move |t| &values[t * stride..][..length])
    }
}

const QUERIES: usize = 0;
const KEYS: usize = 1;
const VALUES: usize = 2;

/// What all queries of one head read.
///
/// In [`Precision::Int8`] the scores are products of codes, a scale for each query and each key; what they weigh stays in floats, as a weight of a
/// hundredth of the largest one has no digit to lose. The mean of the keys is taken off first: it adds the same to all scores of a query, which
/// softmax does not see, and would take up most of the codes (Zhang et al. 2024, "SageAttention", section 4.2).
#[derive(Debug, Default)]
pub(super) struct Head {
    frames: usize,
    dim: usize,
    precision: Option<Precision>,
    keys: Packed,
    key_codes: Int8Weights,
    /// The keys' mean.
    mean: Vec<f32>,
    /// `[frames, dim]`: the keys less their mean.
    centred: Vec<f32>,
    values: Packed,
    /// The products have no bias.
    zeros: Vec<f32>,
    ones: Vec<f32>,
}

/// What a thread needs for its queries; whatever it holds.
#[derive(Debug, Default)]
pub(super) struct HeadScratch {
    /// `[queries, dim]`.
    queries: Vec<f32>,
    /// `[queries, frames]`.
    scores: Vec<f32>,
    /// Of each query's scores, behind the exponential.
    sums: Vec<f32>,
}

impl Head {
    /// Lays out keys and values of `frames` frames.
    pub(super) fn read(&mut self, columns: Columns<'_>, frames: usize, precision: Precision) {
        let (stride, head_dim) = (columns.stride(), columns.head_dim);
        (self.frames, self.dim, self.precision) = (frames, head_dim, Some(precision));
        self.zeros.resize(frames.max(head_dim), 0.0);
        match precision {
            Precision::F32 => self.keys.refill_transposed(columns.part(KEYS), stride, [head_dim, frames]),
            Precision::Int8 => {
                self.centre(columns);
                self.ones.resize(frames, 1.0);
                self.key_codes.refill(&self.centred, &self.ones, [1, head_dim, frames]);
            }
        }
        self.values.refill(columns.part(VALUES), stride, [frames, head_dim]);
    }

    /// The keys less their mean.
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

    /// What some queries make of the values: `context` holds the rows of these frames from the head's first column on, `channels` apart. `bias` is that of
    /// all distances ([`PositionBias::table`](super::PositionBias::table)'s for this head), `gates` has one for each of these queries.
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
    fn scores(&self, queries: &[f32], scores: &mut [f32], Scratch { codes, .. }: &mut Scratch) {
        let (all, dim) = (self.frames, self.dim);
        let (count, bias) = (queries.len() / dim, &self.zeros[..all]);
        let out = Output { values: scores, stride: all, bias, epilogue: Epilogue::Linear };
        if self.precision == Some(Precision::Int8) {
            codes.quantise(queries.chunks_exact(dim), dim);
            let x = Int8Rows {
                values: codes.values(),
                strides: [dim, 0],
                scales: codes.scales(),
                offsets: codes.offsets(),
                scale_strides: [1, 0],
            };
            self.key_codes.run(&x, 0..1, count, out);
        } else {
            self.keys.run(Rows { values: queries, strides: [dim, 0] }, 0..1, count, out);
        }
    }
}
