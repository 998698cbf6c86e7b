//! Level statistics of a chunk's frames: noise floor, maximum and standard deviation.

/// The floor is the 10th percentile of the levels: pauses, or the minima between syllables.
const FLOOR_SHARE: f64 = 0.1;
/// The top is the 95th percentile, so that a click does not determine it.
const TOP_SHARE: f64 = 0.95;
/// Range of levels below the top for the standard deviation, dB: digital silence then equals a
/// quiet room.
const DEPTH_DB: f32 = 40.0;

/// Level statistics of a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    /// Noise floor, dBFS.
    pub(super) floor: f32,
    /// Maximum level without outliers, dBFS.
    pub(super) top: f32,
    /// Standard deviation of the level, dB.
    pub(super) swing: f32,
}

impl Levels {
    /// Computes the statistics of levels in dBFS (at least one). `sorted` is scratch memory.
    pub(super) fn of(levels: &[f32], sorted: &mut Vec<f32>) -> Self {
        sorted.clear();
        sorted.extend_from_slice(levels);
        sorted.sort_by(f32::total_cmp);
        let at = |share: f64| {
            let index = (share * (sorted.len().saturating_sub(1)) as f64).round() as usize;
            sorted.get(index).copied().unwrap_or(f32::NEG_INFINITY)
        };
        let (floor, top) = (at(FLOOR_SHARE), at(TOP_SHARE));
        let bounded = levels.iter().map(|level| f64::from(level.max(top - DEPTH_DB)));
        Self { floor, top, swing: deviation(bounded) as f32 }
    }
}

/// Standard deviation, 0 for no values.
pub(super) fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_the_floor_and_a_click_is_not_the_top() {
        let mut levels = vec![-20.0; 100];
        levels[..15].fill(-60.0);
        levels[50] = 0.0;
        let found = Levels::of(&levels, &mut vec![7.0; 3]);
        assert_eq!((found.floor, found.top), (-60.0, -20.0));
        // shares of 0.15 at −40, 0.84 at 0 and 0.01 at 20 around the top: mean −5.8
        let expected = (0.15 * 34.2_f64.powi(2) + 0.84 * 5.8_f64.powi(2) + 0.01 * 25.8_f64.powi(2)).sqrt();
        approx::assert_abs_diff_eq!(f64::from(found.swing), expected, epsilon = 1e-3);
    }

    #[test]
    fn a_steady_level_has_no_deviation_and_silence_is_bounded() {
        assert_eq!(Levels::of(&[-30.0; 9], &mut Vec::new()).swing, 0.0);
        let half: Vec<f32> = (0..100).map(|t| if t < 50 { -3000.0 } else { -20.0 }).collect();
        approx::assert_abs_diff_eq!(Levels::of(&half, &mut Vec::new()).swing, 20.0, epsilon = 1e-3);
    }
}
