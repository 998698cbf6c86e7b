//! Conversion of powers to decibels with a lower bound relative to the maximum (librosa's
//! `power_to_db`).

use crate::kernels::logarithm::{LogScale, ln};
use crate::kernels::reduce::largest_magnitude;

/// Decibels per unit of natural logarithm: 10 / ln 10.
const DECIBELS: f32 = 10.0 * std::f32::consts::LOG10_E;

/// Converts powers `p` to dB relative to the largest, in place.
///
/// ```text
/// max(10 · log10(max(p, amin) / max(amin, largest p)), −top_db)
/// ```
///
/// The largest is 0 dB (`librosa.power_to_db` with `ref=np.max`). If a power is NaN or infinite,
/// all become NaN.
pub(super) fn below_loudest(powers: &mut [f32], amin: f32, top_db: f32) {
    in_decibels(powers, amin, |loudest_db| (loudest_db, -top_db));
}

/// Converts powers `p` to dB relative to 1, in place.
///
/// ```text
/// d = 10 · log10(max(p, amin));  max(d, largest d − top_db)
/// ```
///
/// (SpeechBrain's `Filterbank`, librosa's `power_to_db` with `ref=1.0`.) If a power is NaN or
/// infinite, all become NaN.
pub(super) fn absolute(powers: &mut [f32], amin: f32, top_db: f32) {
    in_decibels(powers, amin, |loudest_db| (0.0, loudest_db - top_db));
}

/// `scale` returns, for the largest power in dB, the value to subtract and the lower bound of the
/// results.
fn in_decibels(powers: &mut [f32], amin: f32, scale: impl Fn(f32) -> (f32, f32)) {
    let loudest = largest_magnitude(powers);
    if !loudest.is_finite() {
        return powers.fill(f32::NAN);
    }
    let (less, least) = scale(DECIBELS * ln(loudest.max(amin)));
    LogScale { floor: amin, factor: DECIBELS, less, least }.run(powers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_powers() {
        let powers = [1e3, 1e-2, 1e-6, 0.0];
        let (mut relative, mut plain) = (powers, powers);
        below_loudest(&mut relative, 1e-4, 60.0);
        absolute(&mut plain, 1e-4, 60.0);
        for (got, want) in relative.into_iter().zip([0.0, -50.0, -60.0, -60.0]) {
            approx::assert_abs_diff_eq!(got, want, epsilon = 1e-5);
        }
        for (got, want) in plain.into_iter().zip([30.0, -20.0, -30.0, -30.0]) {
            approx::assert_abs_diff_eq!(got, want, epsilon = 1e-5);
        }
    }

    #[test]
    fn silence_equals_the_reference() {
        let (mut relative, mut plain) = ([0.0; 3], [0.0; 3]);
        below_loudest(&mut relative, 1e-10, 80.0);
        absolute(&mut plain, 1e-10, 80.0);
        assert_eq!(relative, [0.0; 3]);
        assert!(plain.iter().all(|db| (db + 100.0).abs() < 1e-5), "{plain:?}");
        below_loudest(&mut [], 1e-10, 80.0);
    }

    #[test]
    fn a_power_that_is_not_finite_makes_all_nan() {
        for bad in [f32::NAN, f32::INFINITY] {
            for place in 0..3 {
                let mut powers = [1.0, 2.0, 3.0];
                powers[place] = bad;
                absolute(&mut powers, 1e-10, 80.0);
                assert!(powers.iter().all(|p| p.is_nan()), "{bad} at {place}");
            }
        }
    }
}
