//! Frame processing before the Fourier transform: windowing, scaling, mean removal, pre-emphasis,
//! energy.

use super::Lanes;
use super::multiversion_lanes::multiversion_lanes;
use super::vector::Vector;
use crate::kernels::cpu::Variant;

/// Windowing: `x[i] = x[i] · w[i]`; values after the end of the window are unchanged.
pub fn multiply(frames: &mut [Lanes], window: &[f32]) {
    multiply_by(Variant::best(), frames, window);
}

multiversion_lanes! {
    fn multiply_by<V>(frames: &mut [Lanes], window: &[f32]) {
        for (x, w) in frames.iter_mut().zip(window) {
            V::load(x).mul(V::splat(*w)).store(x);
        }
    }
}

/// Scales: `x[i] = factor · x[i]`; with `centre` it also subtracts the mean over i.
pub fn scale_and_centre(frames: &mut [Lanes], factor: f32, centre: bool) {
    scale_and_centre_by(Variant::best(), frames, factor, centre);
}

multiversion_lanes! {
    fn scale_and_centre_by<V>(frames: &mut [Lanes], factor: f32, centre: bool) {
        let mut less = Lanes::default();
        if centre {
            sum::<V, false>(frames).store(&mut less);
            // in this order a constant signal becomes exactly 0
            less.0 = less.0.map(|sum| -(sum / frames.len().max(1) as f32 * factor));
        }
        let (factor, less) = (V::splat(factor), V::load(&less));
        for x in frames {
            V::load(x).mul_add(factor, less).store(x);
        }
    }
}

/// Energy `Σ x[i]²` of each signal.
pub fn energies(frames: &[Lanes]) -> Lanes {
    energies_by(Variant::best(), frames)
}

multiversion_lanes! {
    fn energies_by<V>(frames: &[Lanes]) -> Lanes {
        let mut out = Lanes::default();
        sum::<V, true>(frames).store(&mut out);
        out
    }
}

/// Pre-emphasis and windowing in place: `x[i] = (x[i] − coefficient · x[max(i − 1, 0)]) · w[i]`.
pub fn emphasise(frames: &mut [Lanes], coefficient: f32, window: &[f32]) {
    emphasise_by(Variant::best(), frames, coefficient, window);
}

multiversion_lanes! {
    fn emphasise_by<V>(frames: &mut [Lanes], coefficient: f32, window: &[f32]) {
        let Some(first) = frames.first() else { return };
        let (less, mut before) = (V::splat(-coefficient), V::load(first));
        for (x, w) in frames.iter_mut().zip(window) {
            let now = V::load(x);
            before.mul_add(less, now).mul(V::splat(*w)).store(x);
            before = now;
        }
    }
}

/// Sum of the values, or of their squares, in four partial sums: a smaller rounding error and no
/// dependency between additions.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into each copy
fn sum<V: Vector, const SQUARES: bool>(frames: &[Lanes]) -> V {
    let (fours, rest) = frames.as_chunks::<4>();
    let mut sums = [V::splat(0.0); 4];
    for four in fours {
        for (sum, x) in sums.iter_mut().zip(four) {
            *sum = add::<V, SQUARES>(*sum, x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum = add::<V, SQUARES>(*sum, x);
    }
    let [a, b, c, d] = sums;
    a.add(b).add(c.add(d))
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn add<V: Vector, const SQUARES: bool>(sum: V, x: &Lanes) -> V {
    let x = V::load(x);
    if SQUARES { x.mul_add(x, sum) } else { sum.add(x) }
}

#[cfg(test)]
mod tests {
    use super::super::LANES;
    use super::*;

    fn frames(n: usize) -> Vec<Lanes> {
        (0..n).map(|i| Lanes(std::array::from_fn(|l| ((i * LANES + l) as f32 * 0.731).sin() + 0.3))).collect()
    }

    fn lane(frames: &[Lanes], l: usize) -> Vec<f64> {
        frames.iter().map(|x| f64::from(x.0[l])).collect()
    }

    #[test]
    fn every_operation_equals_its_formula_in_every_variant() {
        for variant in Variant::ALL {
            for n in [0, 1, 3, 4, 9, 25] {
                let before = frames(n);
                let window: Vec<f32> = (0..n).map(|i| 1.0 / (1.0 + i as f32)).collect();
                let (mut windowed, mut centred) = (before.clone(), before.clone());
                let (mut scaled, mut emphasised) = (before.clone(), before.clone());
                multiply_by(variant, &mut windowed, &window);
                scale_and_centre_by(variant, &mut centred, 3.0, true);
                scale_and_centre_by(variant, &mut scaled, 3.0, false);
                emphasise_by(variant, &mut emphasised, 0.97, &window);
                let energies = energies_by(variant, &before);
                for l in 0..LANES {
                    let x = lane(&before, l);
                    let mean = x.iter().sum::<f64>() / n.max(1) as f64;
                    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-5, "{variant:?}: {got} {want}");
                    close(f64::from(energies.0[l]), x.iter().map(|x| x * x).sum());
                    for i in 0..n {
                        let w = f64::from(window[i]);
                        close(lane(&windowed, l)[i], x[i] * w);
                        close(lane(&centred, l)[i], 3.0 * (x[i] - mean));
                        close(lane(&scaled, l)[i], 3.0 * x[i]);
                        close(lane(&emphasised, l)[i], (x[i] - 0.97 * x[i.saturating_sub(1)]) * w);
                    }
                }
            }
        }
    }
}
