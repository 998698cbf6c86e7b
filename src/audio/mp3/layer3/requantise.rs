//! Requantisation (ISO/IEC 11172-3 §2.4.3.4.7): quantised values to spectral coefficients.
//!
//! ```text
//! xr = sign(is) · |is|^(4/3) · 2^((global_gain − 210 − 8 · subblock_gain) / 4) · 2^(−m (scale factor + pretab))
//! ```
//!
//! m is 1/2 or 1. `subblock_gain` is for short blocks alone, `pretab` for long ones with `preflag`.

use std::sync::OnceLock;

use super::bands::Band;
use super::huffman::COEFFICIENTS;
use super::scale_factors::ScaleFactors;
use super::side_info::Granule;

/// Additions to the scale factors of long blocks with `preflag` (table B.6).
const PRETAB: [i32; 22] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 2, 0];
/// Largest quantised value: 15 and 13 additional bits.
const LARGEST: usize = 15 + 8191;

/// |is|^(4/3) for all values.
fn powers() -> &'static [f32] {
    static POWERS: OnceLock<Vec<f32>> = OnceLock::new();
    POWERS.get_or_init(|| (0..=LARGEST).map(|value| (value as f64).powf(4.0 / 3.0) as f32).collect())
}

/// Computes the coefficients of a granule, in the order of the bit stream.
pub(super) fn requantise(
    quantised: &[i32; COEFFICIENTS],
    granule: &Granule,
    factors: &ScaleFactors,
    bands: &[Band],
    out: &mut [f32; COEFFICIENTS],
) {
    let powers = powers();
    // in quarters of a power of 2
    let step = if granule.scalefac_scale { 4 } else { 2 };
    for (band, &factor) in bands.iter().zip(&factors.values) {
        let factor = i32::from(factor);
        let pretab = if factors.preflag { PRETAB[band.number] } else { 0 };
        let exponent = band.window.map_or_else(
            || granule.global_gain - 210 - step * (factor + pretab),
            |window| granule.global_gain - 210 - 8 * granule.subblock_gain[window] - step * factor,
        );
        let scale = (f64::from(exponent) / 4.0).exp2() as f32;
        let range = band.start..band.start + band.width;
        for (value, out) in quantised[range.clone()].iter().zip(&mut out[range]) {
            let power = powers[(value.unsigned_abs() as usize).min(LARGEST)] * scale;
            *out = if *value < 0 { -power } else { power };
        }
    }
}
