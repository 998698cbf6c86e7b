//! Peak picking, sums and maxima over 16 signals.

use super::{LANES, Lanes};
use crate::kernels::cpu::Variant;
use crate::kernels::multiversion::multiversion;

/// Index of the highest local maximum among `first..=last`, with a penalty of `cost` per index
/// after `first`; the last one of equals. 0 if there is none.
///
/// # Panics
///
/// If there is no value before `first` or after `last`.
pub fn highest(values: &[Lanes], first: usize, last: usize, cost: f32) -> [usize; LANES] {
    assert!(first > 0 && last + 1 < values.len(), "no neighbour on either side");
    highest_by(Variant::best(), values, first, last, cost).0.map(|index| index as usize)
}

multiversion! {
    #[expect(clippy::needless_bitwise_bool, reason = "without a branch the loop is vectorised")]
    fn highest_by(values: &[Lanes], first: usize, last: usize, cost: f32) -> Lanes {
        let (mut best, mut found) = ([f32::NEG_INFINITY; LANES], [0.0; LANES]);
        for (index, around) in (0..last).zip(values.windows(3)).skip(first - 1) {
            let (before, at, after) = (&around[0].0, &around[1].0, &around[2].0);
            let (index, penalty) = ((index + 1) as f32, cost * (index + 1 - first) as f32);
            for l in 0..LANES {
                let score = at[l] - penalty;
                let better = (at[l] > before[l]) & (at[l] >= after[l]) & (score >= best[l]);
                best[l] = if better { score } else { best[l] };
                found[l] = if better { index } else { found[l] };
            }
        }
        Lanes(found)
    }
}

/// Sum of the values of each signal, in order, and their maximum (at least 0; NaN is ignored).
pub fn sums_and_peaks(values: &[Lanes]) -> [Lanes; 2] {
    sums_and_peaks_by(Variant::best(), values)
}

multiversion! {
    fn sums_and_peaks_by(values: &[Lanes]) -> [Lanes; 2] {
        let (mut sums, mut peaks) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for Lanes(x) in values {
            for l in 0..LANES {
                sums[l] += x[l];
                peaks[l] = if x[l] > peaks[l] { x[l] } else { peaks[l] };
            }
        }
        [Lanes(sums), Lanes(peaks)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<Lanes> {
        (0..n).map(|i| Lanes(std::array::from_fn(|l| ((i * LANES + l) as f32 * 0.731).sin()))).collect()
    }

    #[test]
    fn equal_the_definitions_in_every_variant() {
        let values = noise(60);
        let column = |l: usize| values.iter().map(move |x| x.0[l]);
        for variant in Variant::ALL {
            for (first, last, cost) in [(1, 58, 0.0), (7, 40, 0.01), (3, 3, 0.0)] {
                let found = highest_by(variant, &values, first, last, cost);
                for l in 0..LANES {
                    let x: Vec<f32> = column(l).collect();
                    let score = |p: usize| x[p] - cost * (p - first) as f32;
                    let peaks = (first..=last).filter(|&p| x[p] > x[p - 1] && x[p] >= x[p + 1]);
                    let want = peaks.max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap_or(0);
                    assert_eq!(found.0[l], want as f32, "{variant:?}, {first} to {last}, lane {l}");
                }
            }
            let [sums, peaks] = sums_and_peaks_by(variant, &values);
            for l in 0..LANES {
                assert_eq!(sums.0[l], column(l).sum::<f32>());
                assert_eq!(peaks.0[l], column(l).fold(0.0, f32::max));
            }
        }
    }

    #[test]
    fn nan_is_no_peak() {
        let mut values = noise(9);
        for x in &mut values {
            x.0[4] = f32::NAN;
        }
        assert_eq!(highest(&values, 1, 7, 0.0)[4], 0);
        assert!(sums_and_peaks(&values)[0].0[4].is_nan());
        assert_eq!(sums_and_peaks(&values)[1].0[4], 0.0);
    }

    #[test]
    #[should_panic(expected = "either side")]
    fn an_index_without_a_neighbour_panics() {
        highest(&noise(5), 1, 4, 0.0);
    }
}
