//! Downmix to mono: the mean of the channels, with a warning for channels that cancel each other.

/// Energy ratio of mean to channels below which the channels cancel: −20 dB. Equal channels have
/// ratio 1, N independent ones 1/N, so that even 64 channels of a microphone array (−18 dB) give no
/// warning.
const CANCELLED: f64 = 0.01;

/// Streaming mean of channels.
///
/// ```text
/// mono[t] = 1/C · Σ_c x[t, c]
/// ratio   = Σ_t mono[t]² / (1/C · Σ_t Σ_c x[t, c]²)        warning below 0.01
/// ```
///
/// Sums are accumulated in f64 frame by frame, so the result does not depend on the block sizes.
#[derive(Debug, Clone)]
pub struct Downmix {
    channels: usize,
    mono_energy: f64,
    channel_energy: f64,
}

impl Downmix {
    /// Downmix of `channels` channels (0 counts as 1).
    pub fn new(channels: u16) -> Self {
        Self { channels: usize::from(channels.max(1)), mono_energy: 0.0, channel_energy: 0.0 }
    }

    /// Clears `mono`, `[frames]`, and fills it with the mean of each frame of `interleaved`,
    /// `[frames, channels]`. An incomplete last frame is ignored. A single channel is copied
    /// unchanged.
    pub fn run(&mut self, interleaved: &[f32], mono: &mut Vec<f32>) {
        mono.clear();
        if self.channels == 1 {
            mono.extend_from_slice(interleaved);
            return;
        }
        let scale = 1.0 / self.channels as f64;
        for frame in interleaved.chunks_exact(self.channels) {
            let (sum, energy) = frame.iter().map(|&x| f64::from(x)).fold((0.0, 0.0), |(s, e), x| (s + x, e + x * x));
            let mean = sum * scale;
            self.mono_energy += mean * mean;
            self.channel_energy += energy * scale;
            mono.push(mean as f32);
        }
    }

    /// A warning if the channels so far cancel each other, that is if their mean is more than 20 dB
    /// weaker than they are.
    pub fn warning(&self) -> Option<String> {
        if self.channel_energy == 0.0 || self.mono_energy >= CANCELLED * self.channel_energy {
            return None;
        }
        let how_much = if self.mono_energy == 0.0 {
            "nothing is left".to_owned()
        } else {
            let db = 10.0 * (self.channel_energy / self.mono_energy).log10();
            format!("the mean is {db:.0} dB weaker than they are")
        };
        Some(format!(
            "the {} channels cancel each other ({how_much}): one is probably wired in opposite phase; use a single channel",
            self.channels
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frames: usize) -> Vec<f32> {
        (0..frames).map(|t| 0.5 * (t as f32 * 0.3).sin()).collect()
    }

    fn mix(channels: u16, interleaved: &[f32]) -> (Vec<f32>, Option<String>) {
        let mut downmix = Downmix::new(channels);
        let mut mono = vec![f32::NAN; 3];
        downmix.run(interleaved, &mut mono);
        (mono, downmix.warning())
    }

    #[test]
    fn the_mean_of_each_frame() {
        assert_eq!(mix(2, &[1.0, 0.0, -0.5, 0.25, 9.0]).0, [0.5, -0.125]);
        assert_eq!(mix(1, &[1.0, -1.0]), (vec![1.0, -1.0], None));
        assert_eq!(mix(0, &[0.5]).0, [0.5]);
        assert_eq!(mix(3, &[]), (vec![], None));
    }

    #[test]
    fn the_mean_of_equal_channels_is_either_of_them() {
        let mono = tone(1000);
        let stereo: Vec<f32> = mono.iter().flat_map(|&x| [x, x]).collect();
        assert_eq!(mix(2, &stereo), (mono, None));
    }

    #[test]
    fn opposite_channels_give_a_warning_with_the_attenuation() {
        let opposite: Vec<f32> = tone(1000).into_iter().flat_map(|x| [x, -x]).collect();
        let warning = mix(2, &opposite).1.unwrap();
        assert!(warning.contains("nothing is left"), "{warning}");
        // mean 0.05·x against channels of x and 0.9·x: 10·log10(0.905/0.0025) = 25.6 dB
        let nearly: Vec<f32> = tone(1000).into_iter().flat_map(|x| [x, -0.9 * x]).collect();
        let warning = mix(2, &nearly).1.unwrap();
        assert!(warning.contains("26 dB"), "{warning}");
    }

    #[test]
    fn silence_and_one_sided_recordings_give_no_warning() {
        assert_eq!(mix(2, &[0.0; 100]).1, None);
        let left: Vec<f32> = tone(1000).into_iter().flat_map(|x| [x, 0.0]).collect();
        assert_eq!(mix(2, &left).1, None);
        let one_of_64: Vec<f32> =
            tone(100).into_iter().flat_map(|x| (0..64).map(move |c| if c == 5 { x } else { 0.0 })).collect();
        assert_eq!(mix(64, &one_of_64).1, None);
    }

    #[test]
    fn the_result_does_not_depend_on_block_sizes() {
        let stereo: Vec<f32> = tone(999).into_iter().flat_map(|x| [x, -0.97 * x]).collect();
        let whole = mix(2, &stereo);
        let mut downmix = Downmix::new(2);
        let (mut all, mut mono) = (Vec::new(), Vec::new());
        for block in stereo.chunks(14) {
            downmix.run(block, &mut mono);
            all.extend_from_slice(&mono);
        }
        assert_eq!((all, downmix.warning()), whole);
    }
}
