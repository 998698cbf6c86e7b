//! Loops over single values, written so that the compiler vectorises them.

/// `x = max(0, x)`. NaN stays NaN, so that a broken layer is seen at its output.
pub fn relu(values: &mut [f32]) {
    for x in values {
        *x = rectified(*x);
    }
}

/// For rows of `bias.len()` channels: `x = scale · r(x + bias) + shift` with `r(v) = v`, below 0 `negative_slope · v`: 0 for ReLU. NaN stays NaN.
///
/// # Panics
///
/// If `scale` or `shift` is shorter than `bias`, or if `rows` is no whole number of rows.
pub fn bias_relu_scale_shift(rows: &mut [f32], bias: &[f32], negative_slope: f32, scale: &[f32], shift: &[f32]) {
    let channels = bias.len();
    assert!(scale.len() == channels && shift.len() == channels && rows.len().is_multiple_of(channels.max(1)));
    for row in rows.chunks_exact_mut(channels.max(1)) {
        for (((x, b), s), t) in row.iter_mut().zip(bias).zip(scale).zip(shift) {
            let v = *x + b;
            *x = s * if v < 0.0 { negative_slope * v } else { v } + t;
        }
    }
}

/// One row of channels: `out = max(0, scale · x + shift)`. NaN stays NaN. The shortest slice decides how many.
pub fn scale_shift_relu(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    for (((y, x), s), t) in out.iter_mut().zip(x).zip(scale).zip(shift) {
        *y = rectified(s * x + t);
    }
}

/// `f32::max` would turn NaN into 0.
fn rectified(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
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
    fn fused_equals_one_step_after_the_other() {
        for channels in [1, 3, 8, 17, 33] {
            let input: Vec<f32> = (0..channels * 5).map(|i| (i as f32 * 0.7).sin()).collect();
            let bias: Vec<f32> = (0..channels).map(|i| (i as f32 * 1.3).cos()).collect();
            let (scale, shift) = (vec![1.5; channels], vec![-0.25; channels]);
            let mut rows = input.clone();
            bias_relu_scale_shift(&mut rows, &bias, 0.0, &scale, &shift);
            let mut leaky = input.clone();
            bias_relu_scale_shift(&mut leaky, &bias, 0.25, &scale, &shift);
            for (i, (x, got)) in input.iter().zip(rows.iter().zip(&leaky)).enumerate() {
                let v = f64::from(*x) + f64::from(bias[i % channels]);
                assert!((f64::from(*got.0) - (1.5 * v.max(0.0) - 0.25)).abs() < 1e-6);
                assert!((f64::from(*got.1) - (1.5 * v.max(0.25 * v) - 0.25)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn norm_and_relu_in_one_step() {
        let (scale, shift) = ([2.0, 2.0, -1.0, 1.0], [1.0, -9.0, 0.0, 0.0]);
        let mut y = [f32::NAN; 4];
        scale_shift_relu(&[3.0, 3.0, -4.0, f32::NAN], &scale, &shift, &mut y);
        assert_eq!(y[..3], [7.0, 0.0, 4.0]);
        assert!(y[3].is_nan());
    }

    #[test]
    fn no_channels_is_no_work() {
        bias_relu_scale_shift(&mut [], &[], 0.0, &[], &[]);
    }
}
