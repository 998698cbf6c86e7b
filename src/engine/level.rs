//! Signal level: sums over samples, and a level that is robust to clicks and offsets.

/// Samples of a block: 20 ms at 16 kHz, more than a period of the lowest voices.
const BLOCK: usize = 320;

/// `Σ f(x)` in f64. Eight independent sums, added at the end, so that no addition waits for
/// another; their order depends on the length alone.
pub(super) fn sum(samples: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks.iter().map(<[f32; 8]>::as_slice).chain([rest]) {
        sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += f(f64::from(*x)));
    }
    sums.iter().sum()
}

/// The level that a tenth of the blocks exceed, in dB below full scale; −∞ for a constant.
///
/// The level of a block is the root mean square around its own mean, so that a constant offset is
/// silent. The loudest tenth is left out because a click, or the edge where an offset begins and
/// the resampler rings, is no voice either.
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
    fn sums_include_every_sample() {
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
        let level_with_sound = |blocks: usize| {
            let sounds = |i: usize| i < blocks * BLOCK;
            let samples: Vec<f32> = (0..48_000).map(|i| if sounds(i) { (i as f32).sin() } else { 0.1 }).collect();
            level_dbfs(&samples)
        };
        assert_eq!(level_with_sound(16), f64::NEG_INFINITY);
        assert!(level_with_sound(17) > -10.0);
    }
}
