//! Hybrid synthesis (ISO/IEC 11172-3 §2.4.3.4.8 and .10): reordering, alias reduction, inverse MDCT
//! with its windows, overlap.
//!
//! ```text
//! long:  y[i] = w[i] Σ_k X[k] cos(π/72 (2i + 19)(2k + 1))           i = 0 … 35, k = 0 … 17
//! short: y[i] = w[i] Σ_k X[3k + window] cos(π/24 (2i + 7)(2k + 1))  i = 0 … 11, k = 0 … 5, placed at 6 + 6 window
//! ```

use std::f64::consts::PI;
use std::sync::OnceLock;

use super::bands::Band;
use super::huffman::COEFFICIENTS;
use super::side_info::{Block, Kind};
use super::synthesis::SUBBANDS;

/// Coefficients of a subband, and samples that it gives per granule.
pub(super) const SLOTS: usize = 18;

/// c of the alias reduction (table B.9).
const ALIAS: [f64; 8] = [-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037];

struct Tables {
    /// Windowed cosines of the long transforms, `[kind, k, i]`; that of short blocks is unused.
    long: [[[f32; 36]; SLOTS]; 4],
    /// Windowed cosines of a short transform, `[k, i]`.
    short: [[f32; 12]; 6],
    /// cs and ca of the alias reduction.
    alias: [(f32, f32); 8],
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Box<Tables>> = OnceLock::new();
    TABLES.get_or_init(|| {
        Box::new(Tables {
            long: std::array::from_fn(|kind| {
                std::array::from_fn(|k| {
                    std::array::from_fn(|i| {
                        let cosine = (PI / 72.0 * ((2 * i + 19) * (2 * k + 1)) as f64).cos();
                        (window(kind, i) * cosine) as f32
                    })
                })
            }),
            short: std::array::from_fn(|k| {
                std::array::from_fn(|i| {
                    let cosine = (PI / 24.0 * ((2 * i + 7) * (2 * k + 1)) as f64).cos();
                    ((PI / 12.0 * (i as f64 + 0.5)).sin() * cosine) as f32
                })
            }),
            alias: ALIAS.map(|c| {
                let root = (1.0 + c * c).sqrt();
                ((1.0 / root) as f32, (c / root) as f32)
            }),
        })
    })
}

/// Window of a long transform: 0 normal, 1 start, 3 stop.
fn window(kind: usize, i: usize) -> f64 {
    let long = (PI / 36.0 * (i as f64 + 0.5)).sin();
    let short = |i: usize| (PI / 12.0 * (i as f64 + 0.5)).sin();
    match (kind, i) {
        (1, 18..=23) | (3, 12..=17) => 1.0,
        (1, 24..=29) => short(i - 18),
        (1, 30..) | (3, ..=5) => 0.0,
        (3, 6..=11) => short(i - 6),
        _ => long,
    }
}

/// State of one channel.
#[derive(Debug, Clone)]
pub(super) struct Hybrid {
    /// Second half of the last granule's transforms, `[subband, slot]`.
    overlap: [[f32; SLOTS]; SUBBANDS],
}

impl Default for Hybrid {
    fn default() -> Self {
        Self { overlap: [[0.0; SLOTS]; SUBBANDS] }
    }
}

impl Hybrid {
    /// Computes the subband samples of a granule, `[slot, subband]`, from its coefficients, which are
    /// changed.
    pub(super) fn run(
        &mut self,
        coefficients: &mut [f32; COEFFICIENTS],
        block: Block,
        bands: &[Band],
        out: &mut [[f32; SUBBANDS]; SLOTS],
    ) {
        reorder(coefficients, bands);
        let boundaries = match block {
            Block { kind: Kind::Short, is_mixed: false } => 0,
            Block { kind: Kind::Short, is_mixed: true } => 1,
            _ => SUBBANDS - 1,
        };
        reduce_aliases(coefficients, boundaries);
        for (subband, input) in coefficients.as_chunks::<SLOTS>().0.iter().enumerate() {
            let kind = if block.is_mixed && subband < 2 { Kind::Long } else { block.kind };
            let transformed = transform(input, kind);
            let overlap = &mut self.overlap[subband];
            for (slot, row) in out.iter_mut().enumerate() {
                let sample = transformed[slot] + overlap[slot];
                overlap[slot] = transformed[slot + SLOTS];
                // every second sample of every second subband is inverted
                row[subband] = if slot % 2 == 1 && subband % 2 == 1 { -sample } else { sample };
            }
        }
    }
}

/// Interleaves the three windows of short bands.
fn reorder(coefficients: &mut [f32; COEFFICIENTS], bands: &[Band]) {
    for three in bands.chunk_by(|a, b| a.window.is_some() && b.window.is_some() && a.number == b.number) {
        let &[Band { start, width, window: Some(_), .. }, _, _] = three else { continue };
        let mut turned = [0.0; COEFFICIENTS];
        for window in 0..3 {
            for i in 0..width {
                turned[3 * i + window] = coefficients[start + window * width + i];
            }
        }
        coefficients[start..start + 3 * width].copy_from_slice(&turned[..3 * width]);
    }
}

/// Butterflies across the first `boundaries` boundaries of subbands.
fn reduce_aliases(coefficients: &mut [f32; COEFFICIENTS], boundaries: usize) {
    for boundary in (1..=boundaries).map(|subband| subband * SLOTS) {
        for (i, &(cs, ca)) in tables().alias.iter().enumerate() {
            let (below, above) = (coefficients[boundary - 1 - i], coefficients[boundary + i]);
            coefficients[boundary - 1 - i] = below * cs - above * ca;
            coefficients[boundary + i] = above * cs + below * ca;
        }
    }
}

/// Inverse MDCT of a subband with its window.
fn transform(input: &[f32; SLOTS], kind: Kind) -> [f32; 36] {
    let tables = tables();
    let mut out = [0.0; 36];
    let long = match kind {
        Kind::Long => &tables.long[0],
        Kind::Start => &tables.long[1],
        Kind::Stop => &tables.long[3],
        Kind::Short => {
            for (index, &x) in input.iter().enumerate() {
                let begin = 6 + 6 * (index % 3);
                add(&mut out[begin..begin + 12], &tables.short[index / 3], x);
            }
            return out;
        }
    };
    for (row, &x) in long.iter().zip(input) {
        add(&mut out, row, x);
    }
    out
}

/// Adds a row of cosines times a coefficient; most of the high ones are 0.
fn add(out: &mut [f32], row: &[f32], x: f32) {
    if x == 0.0 {
        return;
    }
    for (out, cosine) in out.iter_mut().zip(row) {
        *out += cosine * x;
    }
}
