//! Mean pooling over time.

/// The mean of each channel of `[frames, channels]`, summed in f64 in the order of the frames.
pub fn mean_over_frames(rows: &[f32], mean: &mut [f32]) {
    let channels = mean.len().max(1);
    let frames = rows.len() / channels;
    let mut sums = vec![0.0_f64; channels];
    for row in rows.chunks_exact(channels) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    mean.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean = (sum / frames as f64) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_frames() {
        let mut mean = [f32::NAN; 2];
        mean_over_frames(&[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], &mut mean);
        assert_eq!(mean, [3.0, 30.0]);
    }
}
