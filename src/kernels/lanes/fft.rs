//! FFT of 16 real signals at once.
//!
//! ```text
//! X[k] = Σ_i x[i] · exp(−2πj · k · i / n)        k = 0 .. n / 2
//! ```
//!
//! Pairs of adjacent samples are taken as n / 2 complex values z. The transform X follows from
//! their transform Z:
//!
//! ```text
//! X[k] = E + exp(−2πj k / n) · O,   X[n/2 − k] = conj(E − exp(−2πj k / n) · O)
//! E = (Z[k] + conj Z[n/2 − k]) / 2,   O = (Z[k] − conj Z[n/2 − k]) / 2j
//! ```
//!
//! Z is computed by Stockham's autosort algorithm, decimated in frequency, with radices 4, 2, 3 and
//! 5. With s the product of the radices so far and r the next one, of n/2 = s · r · m values
//!
//! ```text
//! y[q + s (r p + u)] = exp(−2πj p u / (r m)) · Σ_t exp(−2πj t u / r) · z[q + s (p + m t)]        q < s, p < m, u < r
//! ```

use std::f64::consts::{PI, TAU};

use super::Lanes;
use super::multiversion_lanes::multiversion_lanes;
use super::vector::Vector;
use crate::kernels::cpu::Variant;

/// Real and imaginary part.
type Complex = [Lanes; 2];

/// FFT plan for real signals of one length.
#[derive(Clone, Debug)]
pub struct RealFft {
    length: usize,
    stages: Vec<Stage>,
    /// cos and sin of 2πk / n.
    turns: Vec<[f32; 2]>,
}

/// One stage: its radix r, and for each p the twiddle factors exp(−2πj p u / (r m)), u = 1 .. r −
/// 1.
#[derive(Clone, Debug)]
struct Stage {
    factor: usize,
    twiddles: Vec<[f32; 2]>,
}

impl RealFft {
    /// Plans the transform of `length` samples; `None` if the length is odd, 0, or has prime
    /// factors other than 2, 3 and 5.
    pub fn new(length: usize) -> Option<Self> {
        if !Self::plans(length) {
            return None;
        }
        let (mut rest, mut stages) = (length / 2, Vec::new());
        while rest > 1 {
            let factor = [4, 2, 3, 5].into_iter().find(|factor| rest.is_multiple_of(*factor))?;
            stages.push(Stage::new(factor, rest));
            rest /= factor;
        }
        let turn = |k: usize| {
            let (sin, cos) = (PI * k as f64 / (length / 2) as f64).sin_cos();
            [cos as f32, sin as f32]
        };
        Some(Self { length, stages, turns: (0..=length / 4).map(turn).collect() })
    }

    /// Whether the length is supported.
    pub fn plans(length: usize) -> bool {
        let without = |n: usize, factor: usize| {
            std::iter::successors(Some(n), |n| n.is_multiple_of(factor).then(|| n / factor)).last()
        };
        let rest =
            [2, 3, 5].into_iter().try_fold(length, |rest, factor| if rest == 0 { None } else { without(rest, factor) });
        length.is_multiple_of(2) && rest == Some(1)
    }

    /// n, the number of samples.
    pub fn length(&self) -> usize {
        self.length
    }

    /// n / 2 + 1, the number of frequency bins.
    pub fn bins(&self) -> usize {
        self.length / 2 + 1
    }

    /// Power spectrum `|X[k]|²` of `signals` `[n]`, to `powers` `[bins]`. Overwrites `signals` and
    /// `scratch` `[n]`.
    ///
    /// # Panics
    ///
    /// If a length is not the planned one.
    pub fn powers(&self, signals: &mut [Lanes], scratch: &mut [Lanes], powers: &mut [Lanes]) {
        self.check(signals, scratch, powers);
        transform(Variant::best(), self, signals, scratch, powers, Part::Power);
    }

    /// Real parts of `X[k]` of `signals` `[n]`, to `parts` `[bins]`. Overwrites `signals` and
    /// `scratch` `[n]`.
    ///
    /// # Panics
    ///
    /// If a length is not the planned one.
    pub fn real_parts(&self, signals: &mut [Lanes], scratch: &mut [Lanes], parts: &mut [Lanes]) {
        self.check(signals, scratch, parts);
        transform(Variant::best(), self, signals, scratch, parts, Part::Real);
    }

    fn check(&self, signals: &[Lanes], scratch: &[Lanes], out: &[Lanes]) {
        let lengths = [signals.len(), scratch.len(), out.len()];
        assert!(
            lengths == [self.length, self.length, self.bins()],
            "signals and spectra do not have the planned lengths"
        );
    }
}

impl Stage {
    /// The stage of radix `factor` for `left` = r · m values that remain to be transformed.
    fn new(factor: usize, left: usize) -> Self {
        let twiddle = |p: usize, u: usize| {
            let (sin, cos) = (-TAU * (p * u) as f64 / left as f64).sin_cos();
            [cos as f32, sin as f32]
        };
        let twiddles = (0..left / factor).flat_map(|p| (1..factor).map(move |u| twiddle(p, u))).collect();
        Self { factor, twiddles }
    }
}

/// Which part of the spectrum is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Power,
    Real,
}

multiversion_lanes! {
    fn transform<V>(plan: &RealFft, signals: &mut [Lanes], scratch: &mut [Lanes], out: &mut [Lanes], part: Part) {
        let (mut from, mut to) = (signals.as_chunks_mut::<2>().0, scratch.as_chunks_mut::<2>().0);
        let mut stride = 1;
        for stage in &plan.stages {
            match stage.factor {
                4 => pass::<V, 4>(from, to, stride, &stage.twiddles, four),
                2 => pass::<V, 2>(from, to, stride, &stage.twiddles, two),
                3 => pass::<V, 3>(from, to, stride, &stage.twiddles, three),
                _ => pass::<V, 5>(from, to, stride, &stage.twiddles, five),
            }
            stride *= stage.factor;
            (from, to) = (to, from);
        }
        untangle::<V>(from, &plan.turns, out, part);
    }
}

/// A complex number in registers.
type Value<V> = [V; 2];

/// One stage, by the DFT of R values.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop)] // compiled with the target features of its caller
fn pass<V: Vector, const R: usize>(
    from: &[Complex],
    to: &mut [Complex],
    stride: usize,
    twiddles: &[[f32; 2]],
    transform: impl Fn([Value<V>; R]) -> [Value<V>; R],
) {
    let apart = from.len() / R;
    for (p, to) in to.chunks_exact_mut(R * stride).enumerate() {
        let twiddles = &twiddles[p * (R - 1)..(p + 1) * (R - 1)];
        for q in 0..stride {
            // loops instead of `map`, whose closure is not always compiled with the target features
            // of this copy
            let mut values = [[V::splat(0.0); 2]; R];
            for t in 0..R {
                values[t] = load(&from[t * apart + p * stride + q]);
            }
            values = transform(values);
            store(values[0], &mut to[q]);
            for u in 1..R {
                let turned = if p == 0 { values[u] } else { times(values[u], twiddles[u - 1]) };
                store(turned, &mut to[u * stride + q]);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn load<V: Vector>(from: &Complex) -> Value<V> {
    [V::load(&from[0]), V::load(&from[1])]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn store<V: Vector>(value: Value<V>, to: &mut Complex) {
    value[0].store(&mut to[0]);
    value[1].store(&mut to[1]);
}

/// `a · w`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn times<V: Vector>([re, im]: Value<V>, [cos, sin]: [f32; 2]) -> Value<V> {
    let c = V::splat(cos);
    [im.mul_add(V::splat(-sin), re.mul(c)), re.mul_add(V::splat(sin), im.mul(c))]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn plus<V: Vector>(a: Value<V>, b: Value<V>) -> Value<V> {
    [a[0].add(b[0]), a[1].add(b[1])]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn minus<V: Vector>(a: Value<V>, b: Value<V>) -> Value<V> {
    [a[0].sub(b[0]), a[1].sub(b[1])]
}

/// `a + factor · b`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn plus_times<V: Vector>(a: Value<V>, factor: f32, b: Value<V>) -> Value<V> {
    let factor = V::splat(factor);
    [b[0].mul_add(factor, a[0]), b[1].mul_add(factor, a[1])]
}

/// `a − j · b` and `a + j · b`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn minus_plus_j<V: Vector>(a: Value<V>, b: Value<V>) -> [Value<V>; 2] {
    [[a[0].add(b[1]), a[1].sub(b[0])], [a[0].sub(b[1]), a[1].add(b[0])]]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn two<V: Vector>([a, b]: [Value<V>; 2]) -> [Value<V>; 2] {
    [plus(a, b), minus(a, b)]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn four<V: Vector>([a, b, c, d]: [Value<V>; 4]) -> [Value<V>; 4] {
    let ([even, even_less], [odd, odd_less]) = (two([a, c]), two([b, d]));
    let [first, third] = minus_plus_j(even_less, odd_less);
    [plus(even, odd), first, minus(even, odd), third]
}

/// DFT of 3 values, by sums and differences of the values at t and r − t.
#[inline(always)]
#[allow(clippy::inline_always)]
fn three<V: Vector>([a, b, c]: [Value<V>; 3]) -> [Value<V>; 3] {
    const SIN: f32 = 0.866_025_4; // sin 2π/3; the cosine is −1/2
    let [sum, difference] = two([b, c]);
    let zero = [V::splat(0.0); 2];
    let [first, second] = minus_plus_j(plus_times(a, -0.5, sum), plus_times(zero, SIN, difference));
    [plus(a, sum), first, second]
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn five<V: Vector>([a, b, c, d, e]: [Value<V>; 5]) -> [Value<V>; 5] {
    const COS: [f32; 2] = [0.309_017, -0.809_017]; // cos 2π/5, cos 4π/5
    const SIN: [f32; 2] = [0.951_056_5, 0.587_785_24]; // sin 2π/5, sin 4π/5
    let ([near, near_less], [far, far_less]) = (two([b, e]), two([c, d]));
    let zero = [V::splat(0.0); 2];
    let even = plus_times(plus_times(a, COS[0], near), COS[1], far);
    let odd = plus_times(plus_times(zero, SIN[0], near_less), SIN[1], far_less);
    let [first, fourth] = minus_plus_j(even, odd);
    let even = plus_times(plus_times(a, COS[1], near), COS[0], far);
    let odd = plus_times(plus_times(zero, SIN[1], near_less), -SIN[0], far_less);
    let [second, third] = minus_plus_j(even, odd);
    [plus(plus(a, near), far), first, second, third, fourth]
}

/// Computes X from Z.
#[inline(always)]
#[allow(clippy::inline_always)]
fn untangle<V: Vector>(z: &[Complex], turns: &[[f32; 2]], out: &mut [Lanes], part: Part) {
    let half = z.len();
    let scale = V::splat(if part == Part::Power { 0.25 } else { 0.5 });
    for (k, [cos, sin]) in turns.iter().enumerate() {
        let (a, b) = (load::<V>(&z[k % half]), load::<V>(&z[(half - k) % half]));
        let even = [a[0].add(b[0]), a[1].sub(b[1])];
        let odd = [a[1].add(b[1]), b[0].sub(a[0])];
        let turned = times(odd, [*cos, -sin]);
        for (x, place) in [(plus(even, turned), k), (minus(even, turned), half - k)] {
            let value = if part == Part::Power { x[0].mul_add(x[0], x[1].mul(x[1])) } else { x[0] };
            value.mul(scale).store(&mut out[place]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LANES;
    use super::*;

    fn noise(n: usize) -> Vec<Lanes> {
        let value = |i: u32| ((i.wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0;
        (0..n).map(|i| Lanes(std::array::from_fn(|l| value((i * LANES + l) as u32)))).collect()
    }

    /// The definition, in f64: real and imaginary part.
    fn naive(x: &[Lanes], l: usize, k: usize) -> (f64, f64) {
        let angle = |i: usize| -TAU * ((k * i) % x.len()) as f64 / x.len() as f64;
        let terms = x.iter().enumerate().map(|(i, x)| (f64::from(x.0[l]), angle(i)));
        terms.fold((0.0, 0.0), |(re, im), (x, angle)| (re + x * angle.cos(), im + x * angle.sin()))
    }

    #[test]
    fn equals_the_definition_in_every_variant() {
        for length in [2, 4, 6, 8, 10, 12, 18, 30, 32, 50, 90, 120, 400, 512, 1024] {
            let (plan, x) = (RealFft::new(length).unwrap(), noise(length));
            for variant in Variant::ALL {
                for part in [Part::Power, Part::Real] {
                    let (mut signals, mut scratch) = (x.clone(), vec![Lanes::of(f32::NAN); length]);
                    let mut out = vec![Lanes::of(f32::NAN); plan.bins()];
                    transform(variant, &plan, &mut signals, &mut scratch, &mut out, part);
                    for l in [0, 5, 15] {
                        let energy: f64 = x.iter().map(|x| f64::from(x.0[l]).powi(2)).sum::<f64>() * length as f64;
                        for (k, got) in out.iter().enumerate() {
                            let (re, im) = naive(&x, l, k);
                            let (want, size) = match part {
                                Part::Power => {
                                    (re * re + im * im, (re.hypot(im) + 1e-6 * energy.sqrt()) * energy.sqrt())
                                }
                                Part::Real => (re, energy.sqrt()),
                            };
                            let far = (f64::from(got.0[l]) - want).abs();
                            assert!(far < 1e-6 * size, "{variant:?}, n = {length}, lane {l}, bin {k}: {far:e}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn lanes_are_independent() {
        let (plan, x) = (RealFft::new(240).unwrap(), noise(240));
        let run = |x: &[Lanes]| {
            let (mut signals, mut scratch, mut out) = (x.to_vec(), x.to_vec(), vec![Lanes::default(); plan.bins()]);
            plan.powers(&mut signals, &mut scratch, &mut out);
            out
        };
        let alone: Vec<Lanes> =
            x.iter().map(|x| Lanes(std::array::from_fn(|l| if l == 3 { x.0[9] } else { f32::NAN }))).collect();
        for (one, all) in run(&alone).iter().zip(&run(&x)) {
            assert_eq!(one.0[3].to_bits(), all.0[9].to_bits());
            assert!(one.0[4].is_nan());
        }
    }

    #[test]
    fn unsupported_lengths_have_no_plan() {
        assert!([0, 1, 3, 7, 14, 22, 2 * 49, 2820].into_iter().all(|length| RealFft::new(length).is_none()));
    }

    #[test]
    #[should_panic(expected = "planned lengths")]
    fn a_wrong_length_panics() {
        let plan = RealFft::new(8).unwrap();
        plan.powers(&mut [Lanes::default(); 8], &mut [Lanes::default(); 7], &mut [Lanes::default(); 5]);
    }
}
