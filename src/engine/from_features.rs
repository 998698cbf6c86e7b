//! The way from stored features on, for those who measure a system on features that were made before.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

use super::answer::Answer;
use super::lane::LaneEnd;
use super::pipeline::Engine;
use super::report::Report;
use super::stream::Heard;

impl Engine {
    /// Predicts one window's features, `[frames, bands]` as the system's front-end gives them, as if their recording had been heard:
    /// through the same weighting, rounding and refusals. `name` stands for the recording in the report.
    ///
    /// Fewer frames than the network needs are [`NoAnswer::TooShort`](super::NoAnswer::TooShort). Silence cannot be told: features are relative to their clip.
    ///
    /// # Errors
    /// [`Error::Limit`] for more frames than a window holds, [`Error::Config`] for features of another size or that are not finite.
    pub fn infer_features(&self, features: &[f32], frames: usize, name: &str) -> Result<Report> {
        let began = Instant::now();
        self.run_features(features, frames, name, began).map_err(|error| error.in_file(name))
    }

    fn run_features(&self, features: &[f32], frames: usize, name: &str, began: Instant) -> Result<Report> {
        let system = self.system();
        let frontend = &system.manifest().frontend;
        let longest = frontend.frames(frontend.chunk_samples());
        if frames > longest {
            let what = "number of frames in a clip's features";
            return Err(Error::Limit { what, actual: frames as u64, limit: longest as u64 });
        }
        let heard = Heard {
            duration_s: frontend.samples_for(frames) as f64 / f64::from(frontend.sample_rate_hz()),
            sample_rate_hz: frontend.sample_rate_hz(),
            channels: 1,
            warnings: Vec::new(),
            inputs: Vec::new(),
            decode_time: Duration::ZERO,
            resample_time: Duration::ZERO,
        };
        let mut end = LaneEnd::default();
        if frames < system.min_frames() {
            return Ok(self.report(name.to_owned(), &heard, &end, began));
        }
        let started = Instant::now();
        let output = system.forward_heads(features, frames, self.options().heads, &mut system.workspace())?;
        let network_time = started.elapsed();
        end.combined.add(&Answer::without_audio(output, network_time));
        Ok(self.report(name.to_owned(), &heard, &end, began))
    }
}

#[cfg(test)]
#[cfg(feature = "embedded-weights")]
mod tests {
    use super::*;
    use crate::engine::{Catalogue, NoAnswer, Options};

    /// It answers a tone too: what is compared is the way behind the detector.
    fn engine() -> Engine {
        let options = Options { activity: false, ..Options::default() };
        Engine::new(Catalogue::of(&[]).system("xvector-cnn").unwrap(), options).unwrap()
    }

    #[test]
    fn the_features_of_a_recording_are_answered_like_the_recording() {
        let engine = engine();
        let samples: Vec<f32> = (0..30_000).map(|i| (i as f32 * 0.05).sin() * (i as f32 * 3e-4).cos() * 0.5).collect();
        let mut features = Vec::new();
        let frames = engine.system().manifest().frontend.extractor().unwrap().run(&samples, &mut features);
        let from_features = engine.infer_features(&features, frames, "clip").unwrap();
        let bytes = wav(&samples);
        let heard = engine.infer_reader(std::io::Cursor::new(bytes), "clip").unwrap();
        let json = |report: &Report| serde_json::to_value(&report.answers).unwrap();
        assert_eq!(json(&from_features), json(&heard));
    }

    /// A float WAV, so that no bit is lost on the way.
    fn wav(samples: &[f32]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for &x in samples {
            writer.write_sample(x).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn too_few_frames_get_no_answer_and_too_many_an_error() {
        let engine = engine();
        let bands = engine.system().manifest().frontend.bands();
        let report = engine.infer_features(&vec![0.0; 14 * bands], 14, "short").unwrap();
        assert_eq!(report.no_answer, Some(NoAnswer::TooShort));
        assert!(engine.infer_features(&vec![0.0; 188 * bands], 188, "whole").unwrap().answers.emotion.is_some());
        let long = engine.infer_features(&vec![0.0; 189 * bands], 189, "long").unwrap_err().to_string();
        assert!(long.contains("long") && long.contains("189") && long.contains("188"), "{long}");
        let wrong = engine.infer_features(&[0.0; 7], 20, "wrong").unwrap_err().to_string();
        assert!(wrong.contains("7 values"), "{wrong}");
        let nan = engine.infer_features(&vec![f32::NAN; 20 * bands], 20, "nan").unwrap_err().to_string();
        assert!(nan.contains("finite"), "{nan}");
    }
}
