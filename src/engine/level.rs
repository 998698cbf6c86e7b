//! Sums over samples, and the level of a segment of them.

/// Samples of a block whose level is taken: 20 ms at 16 kHz, a period of the lowest voices and more.
const BLOCK: usize = 320;

/// `Σ f(x)` in f64. Eight sums side by side, added up at the end, so that none waits for another; the order depends on the length alone.
pub(super) fn sum(samples: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks.iter().map(<[f32; 8]>::as_slice).chain([rest]) {
        sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += f(f64::from(*x)));
    }
    sums.iter().sum()
}

/// The level that a tenth of the segment passes, in dB below full scale; −∞ for a constant.
///
/// Of each block it is the root mean square around the block's own mean: a constant offset is as silent as zeros. The loudest tenth is left
/// out because a click, or the edge where an offset begins and the resampler rings, is no voice either.
pub(super) fn level_dbfs(samples: &[f32]) -> f64 {
    let mut variances: Vec<f64> = samples.chunks(BLOCK).map(variance).collect();
    variances.sort_by(|a, b| b.total_cmp(a));
    let left_out = variances.len() / 10 + 1;
    10.0 * variances.get(left_out).or(variances.last()).map_or(f64::NEG_INFINITY, |variance| variance.log10())
}

fn variance(block: &[f32]) -> f64 {
    let n = block.len() as f64;
    let mean = sum(block, |x| x) / n;
    sum(block, |x| (x - mean).powi(2)) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_hold_all_of_any_length() {
        for n in [0, 1, 7, 8, 9, 100] {
            let samples: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            assert_eq!(sum(&samples, |x| 2.0 * x), f64::from(n * (n + 1)));
        }
    }

    #[test]
    fn an_offset_is_silent_and_a_full_scale_sine_is_3_db_down() {
        assert_eq!(level_dbfs(&[0.25; 1000]), f64::NEG_INFINITY);
        assert_eq!(level_dbfs(&[]), f64::NEG_INFINITY);
        let sine: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.1).sin()).collect();
        approx::assert_abs_diff_eq!(level_dbfs(&sine), -3.01, epsilon = 0.1);
        let three_steps: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 3.3 } else { -3.3 } / 32768.0).collect();
        approx::assert_abs_diff_eq!(level_dbfs(&three_steps), -80.0, epsilon = 0.1);
    }

    #[test]
    fn a_tenth_of_the_blocks_decides() {
        let with_blocks_of_sound = |blocks: usize| {
            let sounds = |i: usize| i < blocks * BLOCK;
            let samples: Vec<f32> = (0..48_000).map(|i| if sounds(i) { (i as f32).sin() } else { 0.1 }).collect();
            level_dbfs(&samples)
        };
        assert_eq!(with_blocks_of_sound(16), f64::NEG_INFINITY);
        assert!(with_blocks_of_sound(17) > -10.0);
    }
}
