//! Cutting a signal into overlapping, windowed frames.
//!
//! ```text
//! frame[t][i] = w[i] · x[t · hop_length − n_fft / 2 + i]        i = 0 .. n_fft − 1,   x = 0 outside the signal
//! ```
//!
//! Frame t is centred at sample t · hop_length (librosa: `center=True, pad_mode="constant"`).

/// The window and the grid on which it moves.
#[derive(Clone, Debug)]
pub struct Framing {
    window: Vec<f32>,
    hop_length: usize,
}

impl Framing {
    /// Frames as long as `window` (an even number of samples), `hop_length` (at least 1) samples apart.
    ///
    /// # Panics
    /// If the window's length is odd or the hop is 0.
    pub fn new(window: Vec<f32>, hop_length: usize) -> Self {
        assert!(window.len().is_multiple_of(2) && hop_length > 0, "an even window and a hop of at least 1");
        Self { window, hop_length }
    }

    /// Frames of a signal of `n_samples`: 1 + floor(n_samples / hop_length), so at least one.
    pub fn count(&self, n_samples: usize) -> usize {
        1 + n_samples / self.hop_length
    }

    /// Writes frame `t` of `samples` to `frame` `[n_fft]`, all of which is overwritten.
    ///
    /// # Panics
    /// If `frame` is not as long as the window.
    pub fn write(&self, samples: &[f32], t: usize, frame: &mut [f32]) {
        let n_fft = self.window.len();
        assert_eq!(frame.len(), n_fft, "a frame is as long as its window");
        let centre = t * self.hop_length;
        let before = (n_fft / 2).saturating_sub(centre).min(n_fft);
        let first = (centre + before).saturating_sub(n_fft / 2).min(samples.len());
        let inside = (n_fft - before).min(samples.len() - first);
        frame[..before].fill(0.0);
        frame[before + inside..].fill(0.0);
        let windows = &self.window[before..before + inside];
        for ((out, x), w) in frame[before..before + inside].iter_mut().zip(&samples[first..]).zip(windows) {
            *out = x * w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of the page, sample by sample.
    fn naive(window: &[f32], hop: usize, samples: &[f32], t: usize) -> Vec<f32> {
        let at =
            |i: usize| (t * hop + i).checked_sub(window.len() / 2).and_then(|i| samples.get(i)).copied().unwrap_or(0.0);
        window.iter().enumerate().map(|(i, w)| w * at(i)).collect()
    }

    #[test]
    fn equals_the_formula_for_short_and_long_signals() {
        let window: Vec<f32> = (1..=8).map(|i| i as f32).collect();
        for hop in [1, 3, 8, 20] {
            let framing = Framing::new(window.clone(), hop);
            for n in 0..30 {
                let samples: Vec<f32> = (1..=n).map(|i| (i * i) as f32).collect();
                for t in 0..framing.count(n) + 3 {
                    let mut frame = vec![f32::NAN; 8];
                    framing.write(&samples, t, &mut frame);
                    assert_eq!(frame, naive(&window, hop, &samples, t), "hop {hop}, n {n}, frame {t}");
                }
            }
        }
    }

    #[test]
    fn counts() {
        let framing = Framing::new(vec![1.0; 1024], 256);
        for (n, frames) in [(0, 1), (1, 1), (255, 1), (256, 2), (511, 2), (1024, 5), (48_000, 188)] {
            assert_eq!(framing.count(n), frames);
        }
    }
}
