//! Max pooling over one dimension.

/// PyTorch's `max_pool1d` without padding, on `[channels, length]`:
///
/// ```text
/// y[c, t] = max over 0 ≤ j < kernel of x[c, t · stride + j]
/// ```
///
/// An incomplete window at the end is dropped. A NaN in a window gives NaN.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool1d {
    kernel: usize,
    stride: usize,
}

impl MaxPool1d {
    /// # Panics
    ///
    /// If `kernel` or `stride` is 0.
    pub fn new(kernel: usize, stride: usize) -> Self {
        assert!(kernel > 0 && stride > 0);
        Self { kernel, stride }
    }

    /// Output length for an input of `length`: `(length − kernel) / stride + 1`, or 0 if no window
    /// fits.
    pub fn length_out(&self, length: usize) -> usize {
        length.checked_sub(self.kernel).map_or(0, |spare| spare / self.stride + 1)
    }

    /// `[channels, length]` → `[channels, length_out(length)]`.
    ///
    /// # Panics
    ///
    /// If `input` is not a whole number of channels, or `output` has another length.
    pub fn run(&self, input: &[f32], length: usize, output: &mut [f32]) {
        let length_out = self.length_out(length);
        let channels = input.len() / length.max(1);
        assert!(input.len() == channels * length && output.len() == channels * length_out);
        if length_out == 0 {
            return;
        }
        for (x, y) in input.chunks_exact(length).zip(output.chunks_exact_mut(length_out)) {
            for (t, y) in y.iter_mut().enumerate() {
                let window = &x[t * self.stride..t * self.stride + self.kernel];
                *y = window.iter().copied().fold(f32::NEG_INFINITY, larger_or_nan);
            }
        }
    }
}

/// Max pooling of `pool` adjacent frames of `[frames, channels]` without overlap; an incomplete
/// window at the end is dropped. A NaN in a window gives NaN.
///
/// # Panics
///
/// If `pool` is 0, or `output` is not `[frames / pool, channels]`.
pub fn max_pool_frames(input: &[f32], channels: usize, pool: usize, output: &mut [f32]) {
    let frames = input.len() / channels.max(1);
    assert!(pool > 0 && output.len() == frames / pool * channels, "{frames} frames, {} outputs", output.len());
    for (window, row) in input.chunks_exact((pool * channels).max(1)).zip(output.chunks_exact_mut(channels.max(1))) {
        row.copy_from_slice(&window[..channels]);
        for frame in window[channels..].chunks_exact(channels) {
            row.iter_mut().zip(frame).for_each(|(y, x)| *y = larger_or_nan(*y, *x));
        }
    }
}

/// The maximum, or NaN if `b` is; `f32::max` would ignore NaN.
fn larger_or_nan(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_maximum_and_drops_the_remainder() {
        let x = [1.0, 5.0, 2.0, -3.0, -2.0, -1.0, 9.0, 7.0, 8.0, 0.0, -8.0, -9.0, -7.0, 4.0];
        let mut y = [f32::NAN; 4];
        MaxPool1d::new(3, 3).run(&x, 7, &mut y);
        assert_eq!(y, [5.0, -1.0, 8.0, -7.0]);
        let mut y = [f32::NAN; 6];
        MaxPool1d::new(2, 2).run(&x, 7, &mut y);
        assert_eq!(y, [5.0, 2.0, -1.0, 8.0, 0.0, -7.0]);
    }

    #[test]
    fn windows_may_overlap_or_have_gaps() {
        let x = [1.0, 5.0, 2.0, -3.0, -2.0];
        let mut overlap = [0.0; 3];
        MaxPool1d::new(3, 1).run(&x, 5, &mut overlap);
        assert_eq!(overlap, [5.0, 5.0, 2.0]);
        let mut gaps = [0.0; 2];
        MaxPool1d::new(1, 4).run(&x, 5, &mut gaps);
        assert_eq!(gaps, [1.0, -2.0]);
    }

    #[test]
    fn frames_are_pooled_per_channel() {
        let mut y = [f32::NAN; 4];
        max_pool_frames(&[1.0, 5.0, 2.0, -3.0, -2.0, -1.0, 9.0, f32::NAN, 7.0, 0.0], 2, 2, &mut y);
        assert_eq!(y[..3], [2.0, 5.0, 9.0]);
        assert!(y[3].is_nan());
        max_pool_frames(&[1.0], 1, 2, &mut []);
    }

    #[test]
    fn nan_is_propagated_and_short_inputs_give_no_output() {
        let mut y = [0.0; 2];
        MaxPool1d::new(2, 2).run(&[1.0, f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY], 4, &mut y);
        assert!(y[0].is_nan());
        assert_eq!(y[1], f32::NEG_INFINITY);
        assert_eq!(MaxPool1d::new(4, 4).length_out(3), 0);
        MaxPool1d::new(4, 4).run(&[1.0; 6], 3, &mut []);
        MaxPool1d::new(4, 4).run(&[], 0, &mut []);
    }
}
