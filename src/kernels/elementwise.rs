//! ReLU, and scale, shift and ReLU: element-wise loops that the compiler vectorises.

use super::cpu::Variant;
use super::epilogue::rectified;
use super::multiversion::multiversion;

/// `x = max(0, x)`. NaN stays NaN, so that a broken layer shows at its output.
pub fn relu(values: &mut [f32]) {
    relu_by(Variant::best(), values);
}

multiversion! {
    fn relu_by(values: &mut [f32]) {
        for x in values {
            *x = rectified(*x);
        }
    }
}

/// `out = max(0, scale · x + shift)` for one row of channels: a folded batch norm and ReLU. NaN
/// stays NaN. Stops at the end of the shortest slice.
pub fn scale_shift_relu(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    scale_shift_relu_by(Variant::best(), x, scale, shift, out);
}

multiversion! {
    fn scale_shift_relu_by(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (((y, x), s), t) in out.iter_mut().zip(x).zip(scale).zip(shift) {
            *y = rectified(s * x + t);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_keeps_nan_and_infinity() {
        let mut x = [-1.0, 0.0, 2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        relu(&mut x);
        assert_eq!(x[..3], [0.0, 0.0, 2.0]);
        assert!(x[3].is_nan());
        assert_eq!(x[4..], [f32::INFINITY, 0.0]);
    }

    #[test]
    fn scale_shift_relu_is_its_formula() {
        let (scale, shift) = ([2.0, 2.0, -1.0, 1.0], [1.0, -9.0, 0.0, 0.0]);
        let mut y = [f32::NAN; 4];
        scale_shift_relu(&[3.0, 3.0, -4.0, f32::NAN], &scale, &shift, &mut y);
        assert_eq!(y[..3], [7.0, 0.0, 4.0]);
        assert!(y[3].is_nan());
    }

    #[test]
    fn all_variants_are_bit_identical() {
        let x: Vec<f32> = (0..77).map(|i| (i as f32 * 0.731).sin()).collect();
        for variant in Variant::ALL {
            let (mut rectified, mut normed) = (x.clone(), x.clone());
            relu_by(variant, &mut rectified);
            scale_shift_relu_by(variant, &x, &x[3..], &x[5..], &mut normed[..72]);
            for (i, x) in x.iter().enumerate() {
                assert_eq!(rectified[i], x.max(0.0), "{variant:?}");
            }
            for (i, y) in normed[..72].iter().enumerate() {
                assert_eq!(*y, (x[i] * x[i + 3] + x[i + 5]).max(0.0), "{variant:?}");
            }
        }
    }
}
