//! Joint stereo (ISO/IEC 11172-3 §2.4.3.4.9, 13818-3 §2.4.3.2): middle and side, intensity.
//!
//! Coefficients are in the order of the bit stream. The bands are those of the right channel, which
//! carries the intensity positions; the two channels may have blocks of different types.

use std::f32::consts::FRAC_1_SQRT_2;
use std::f64::consts::PI;

use super::bands::Band;
use super::huffman::COEFFICIENTS;
use super::scale_factors::ScaleFactors;

/// How the two channels of a frame are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) middle_side: bool,
    pub(super) intensity: bool,
}

/// What gives a position its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Positions {
    /// 0 to 6: tan(position · π/12) is the ratio of left and right; 7 turns intensity off.
    Mpeg1,
    /// Powers of 2^(-1/2), or of 2^(-1/4).
    Mpeg2 { coarse: bool },
}

/// Computes left and right.
pub(super) fn run(
    mode: Mode,
    positions: Positions,
    bands: &[Band],
    factors: &ScaleFactors,
    left: &mut [f32; COEFFICIENTS],
    right: &mut [f32; COEFFICIENTS],
) {
    if !mode.intensity {
        if mode.middle_side {
            middle_side(left, right);
        }
        return;
    }
    // From the highest band down: intensity up to the first band, of each window, with a value of its
    // own in the right channel.
    let mut own = [false; 3];
    for (index, band) in bands.iter().enumerate().rev() {
        let range = band.start..band.start + band.width;
        let (left, right) = (&mut left[range.clone()], &mut right[range]);
        let ends = match band.window {
            Some(window) => &mut own[window..=window],
            None => &mut own[..],
        };
        let is_intensity = match band.window {
            Some(_) => !ends[0],
            None => !ends.iter().any(|&own| own),
        } && right.iter().all(|&x| x == 0.0);
        if !is_intensity {
            ends.fill(true);
        }
        let gains = if is_intensity { gains(positions, bands, index, factors) } else { None };
        match gains {
            Some((l, r)) => {
                for (left, right) in left.iter_mut().zip(right) {
                    (*left, *right) = (*left * l, *left * r);
                }
            }
            None if mode.middle_side => middle_side(left, right),
            None => {}
        }
    }
}

fn middle_side(left: &mut [f32], right: &mut [f32]) {
    for (left, right) in left.iter_mut().zip(right) {
        let (middle, side) = (*left * FRAC_1_SQRT_2, *right * FRAC_1_SQRT_2);
        (*left, *right) = (middle + side, middle - side);
    }
}

/// Gains of left and right in a band; `None` where its position turns intensity off. The last band,
/// which has no scale factor, takes that of the band before.
fn gains(positions: Positions, bands: &[Band], index: usize, factors: &ScaleFactors) -> Option<(f32, f32)> {
    let band = bands[index];
    let at = match band.window {
        Some(_) if band.number == 12 => index - 3,
        None if band.number == 21 => index - 1,
        _ => index,
    };
    let position = factors.values[at];
    match positions {
        Positions::Mpeg1 if position >= 7 => None,
        Positions::Mpeg1 => {
            if position == 6 {
                return Some((1.0, 0.0));
            }
            let ratio = (f64::from(position) * PI / 12.0).tan();
            Some(((ratio / (1.0 + ratio)) as f32, (1.0 / (1.0 + ratio)) as f32))
        }
        Positions::Mpeg2 { .. } if factors.illegal[at] => None,
        Positions::Mpeg2 { coarse } => {
            let base: f64 = if coarse { 0.5_f64.sqrt() } else { 0.5_f64.powf(0.25) };
            let gain = base.powi((i32::from(position) + 1) / 2) as f32;
            Some(if position % 2 == 1 { (gain, 1.0) } else { (1.0, gain) })
        }
    }
}
