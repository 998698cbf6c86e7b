//! Front-end of a model, read from the manifest's `frontend`: kind and options of the features,
//! length of the chunks, normalisation and voice activity detection.
//!
//! To add a kind, implement [`FeatureOptions`] in `dsp` and add it to [`FrontendKind`] and to the
//! match of `Frontend::read`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dsp::{
    FbankOptions, FeatureExtractor, FeatureOptions, KaldiMfccOptions, LogMelOptions, RawOptions,
    SpeechBrainFbankOptions, SpeechLevel, SpeechLevelOptions, VadEnergyOptions, WhisperLogMelOptions,
};
use crate::error::Result;
use crate::models::normalisation::Normalisation;
use crate::models::recipe::{KeyError, Object};

/// The front-end of a model: samples `[n]` to what the first layer takes, `[frames, bands]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Frontend {
    /// Features and their options.
    pub kind: FrontendKind,
    /// Length of the longest chunk that the network takes, seconds (manifest key `window_s`).
    pub chunk_s: f64,
    /// Gain that brings the speech of each chunk to a level before the features; `None` for the
    /// samples as they are.
    pub level: Option<SpeechLevelOptions>,
    /// Normalisation of the features. Samples (`raw`) are normalised as their options state.
    pub normalisation: Normalisation,
    /// Voice activity detection by the energy in column 0, for networks that process only frames
    /// with speech.
    pub vad: Option<VadEnergyOptions>,
}

/// The kinds of features, with their options.
#[derive(Clone, Debug, PartialEq)]
pub enum FrontendKind {
    /// `logmel`: librosa's log-mel spectrogram in dB.
    LogMel(LogMelOptions),
    /// `kaldi-fbank`: Kaldi's log mel energies.
    KaldiFbank(FbankOptions),
    /// `kaldi-mfcc`: Kaldi's cepstral coefficients.
    KaldiMfcc(KaldiMfccOptions),
    /// `speechbrain-fbank`: SpeechBrain's mel band powers in dB.
    SpeechBrainFbank(SpeechBrainFbankOptions),
    /// `whisper-logmel`: Whisper's log-mel spectrogram.
    WhisperLogMel(WhisperLogMelOptions),
    /// `raw`: the samples themselves.
    Raw(RawOptions),
}

impl FrontendKind {
    /// What all kinds have in common.
    fn options(&self) -> &dyn FeatureOptions {
        match self {
            Self::LogMel(options) => options,
            Self::KaldiFbank(options) => options,
            Self::KaldiMfcc(options) => options,
            Self::SpeechBrainFbank(options) => options,
            Self::WhisperLogMel(options) => options,
            Self::Raw(options) => options,
        }
    }
}

impl Frontend {
    /// Parses the manifest's `frontend`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        Ok(Self::read(value).map_err(|error| error.inside("frontend"))?)
    }

    /// Parses and checks a front-end. The paths of errors begin inside it.
    pub(super) fn read(value: Value) -> Result<Self, KeyError> {
        let (kind, mut keys) = KeyError::kind_and_rest(value)?;
        let chunk_s = KeyError::take(&mut keys, "window_s")?;
        KeyError::within("window_s", chunk_s, 0.1..=60.0)?;
        let level = speech_level(&mut keys)?;
        let (mut normalisation, mut vad) = (Normalisation::default(), None);
        let kind = match kind.as_str() {
            "logmel" => {
                normalisation = KeyError::take(&mut keys, "normalisation")?;
                normalisation.check_scale().map_err(|error| error.inside("normalisation"))?;
                FrontendKind::LogMel(options(keys)?)
            }
            "kaldi-fbank" => {
                normalisation = mean_subtraction(&mut keys)?;
                FrontendKind::KaldiFbank(options(keys)?)
            }
            "kaldi-mfcc" => {
                normalisation = mean_subtraction(&mut keys)?;
                vad = energy_vad(&mut keys)?;
                FrontendKind::KaldiMfcc(options(keys)?)
            }
            "speechbrain-fbank" => {
                normalisation.mean_over_time = KeyError::take(&mut keys, "mean_over_time")?;
                FrontendKind::SpeechBrainFbank(options(keys)?)
            }
            "whisper-logmel" => FrontendKind::WhisperLogMel(options(keys)?),
            "raw" => FrontendKind::Raw(options(keys)?),
            other => {
                let known = "`logmel`, `kaldi-fbank`, `kaldi-mfcc`, `speechbrain-fbank`, `whisper-logmel` and `raw`";
                return Err(KeyError::unknown_kind(other, known));
            }
        };
        Ok(Self { kind, chunk_s, level, normalisation, vad })
    }

    /// Name of the features and number of their columns, such as `log-mel, 128 bands`.
    pub fn summary(&self) -> String {
        self.kind.options().summary()
    }

    /// Number of values per frame.
    pub fn bands(&self) -> usize {
        self.kind.options().bands()
    }

    /// Sample rate that the front-end expects, Hz. Audio of another rate is resampled to it.
    pub fn sample_rate_hz(&self) -> u32 {
        self.kind.options().sample_rate_hz()
    }

    /// Length of the longest chunk that the network takes, samples.
    pub fn chunk_samples(&self) -> usize {
        (self.chunk_s * f64::from(self.sample_rate_hz())).round() as usize
    }

    /// Number of frames of `samples` samples.
    pub fn frames(&self, samples: usize) -> usize {
        self.kind.options().frames(samples)
    }

    /// Smallest number of samples that gives `frames` frames.
    pub fn samples_for(&self, frames: usize) -> usize {
        self.kind.options().samples_for(frames)
    }

    /// Plans the computation of the features.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Manifest`] names the first invalid option. Options that were read from a
    /// manifest are valid.
    pub fn extractor(&self) -> Result<FeatureExtractor> {
        let invalid = |invalid| KeyError::from(invalid).inside("frontend");
        let extractor = self.kind.options().extractor().map_err(invalid)?;
        let Some(level) = self.level else { return Ok(extractor) };
        Ok(extractor.behind(SpeechLevel::new(level, self.sample_rate_hz()).map_err(invalid)?))
    }
}

/// The options of one kind, from the keys that remain when those of [`Frontend`] are taken.
fn options<T: DeserializeOwned + FeatureOptions>(keys: Object) -> Result<T, KeyError> {
    let options: T = KeyError::deserialize(Value::Object(keys))?;
    options.check()?;
    Ok(options)
}

/// Takes `mean_over_time` and the optional `cmn_window` of Kaldi's kinds.
fn mean_subtraction(keys: &mut Object) -> Result<Normalisation, KeyError> {
    let mean_over_time = KeyError::take(keys, "mean_over_time")?;
    let cmn_window = optional(keys, "cmn_window")?;
    if let Some(frames) = cmn_window {
        if mean_over_time {
            return Err(KeyError::new("cmn_window", "excludes `mean_over_time`: state one of the two"));
        }
        KeyError::within("cmn_window", frames, 1..=1_000_000)?;
    }
    Ok(Normalisation { mean_over_time, cmn_window, ..Normalisation::default() })
}

/// Takes the optional `vad` of Kaldi's MFCC, which needs the energy in column 0.
fn energy_vad(keys: &mut Object) -> Result<Option<VadEnergyOptions>, KeyError> {
    let Some(vad) = optional::<VadEnergyOptions>(keys, "vad")? else { return Ok(None) };
    if keys.get("htk_compat") == Some(&Value::Bool(true)) {
        return Err(KeyError::new("vad", "needs the energy in column 0; with `htk_compat` it is in the last column"));
    }
    vad.check().map_err(|invalid| KeyError::from(invalid).inside("vad"))?;
    Ok(Some(vad))
}

/// Takes the optional `level` of every kind.
fn speech_level(keys: &mut Object) -> Result<Option<SpeechLevelOptions>, KeyError> {
    let Some(level) = optional::<SpeechLevelOptions>(keys, "level")? else { return Ok(None) };
    level.check().map_err(|invalid| KeyError::from(invalid).inside("level"))?;
    Ok(Some(level))
}

/// Takes a key that may be missing or `null`.
fn optional<T: DeserializeOwned>(keys: &mut Object, key: &str) -> Result<Option<T>, KeyError> {
    if keys.contains_key(key) { KeyError::take(keys, key) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn logmel() -> Value {
        json!({"kind": "logmel", "sample_rate_hz": 16000, "n_fft": 1024, "hop_length": 256,
            "window": "hann_periodic", "padding": "zeros_centred", "n_mels": 128, "mel_scale": "slaney",
            "mel_norm": "slaney", "f_min_hz": 0.0, "f_max_hz": 8000.0, "power": 2.0, "amin": 1e-10,
            "reference": "max", "top_db": 80.0, "window_s": 3.0,
            "normalisation": {"mean_over_time": false, "offset_db": 40.0, "scale_db": 20.0}})
    }

    fn fbank() -> Value {
        json!({"kind": "kaldi-fbank",
            "frame_opts": {"samp_freq": 16000, "frame_shift_ms": 10.0, "frame_length_ms": 25.0, "dither": 0.0,
                "preemph_coeff": 0.97, "remove_dc_offset": true, "window_type": "povey", "blackman_coeff": 0.42,
                "round_to_power_of_two": true, "snip_edges": true, "sample_scale": "unit"},
            "mel_opts": {"num_bins": 80, "low_freq": 20.0, "high_freq": 0.0},
            "use_energy": false, "energy_floor": 0.0, "raw_energy": true, "htk_compat": false,
            "use_log_fbank": true, "use_power": true, "window_s": 3.0, "mean_over_time": true})
    }

    fn mfcc() -> Value {
        let mut frontend = fbank();
        let object = frontend.as_object_mut().unwrap();
        object.remove("use_log_fbank");
        object.remove("use_power");
        object.extend([("num_ceps".into(), json!(13)), ("cepstral_lifter".into(), json!(22.0))]);
        object.insert("kind".into(), json!("kaldi-mfcc"));
        frontend
    }

    fn vad() -> Value {
        json!({"vad_energy_threshold": 5.5, "vad_energy_mean_scale": 0.5, "vad_frames_context": 2,
            "vad_proportion_threshold": 0.12})
    }

    fn speechbrain() -> Value {
        json!({"kind": "speechbrain-fbank", "sample_rate_hz": 16000, "n_fft": 400, "win_length_ms": 25.0,
            "hop_length_ms": 10.0, "n_mels": 24, "f_min_hz": 0.0, "f_max_hz": 8000.0, "amin": 1e-10,
            "top_db": 80.0, "window_s": 60.0, "mean_over_time": true})
    }

    fn raw() -> Value {
        json!({"kind": "raw", "sample_rate_hz": 16_000, "do_normalize": true, "normalize_eps": 1e-7,
            "window_s": 3.0})
    }

    fn whisper() -> Value {
        json!({"kind": "whisper-logmel", "sample_rate_hz": 16_000, "n_mels": 80, "window_s": 3.0})
    }

    fn message(frontend: Value) -> String {
        Frontend::parse(frontend).unwrap_err().to_string()
    }

    #[test]
    fn chunks_of_three_seconds_have_their_number_of_frames() {
        for (frontend, frames) in [(logmel(), 188), (fbank(), 298), (mfcc(), 298), (whisper(), 300), (raw(), 48_000)] {
            let frontend = Frontend::parse(frontend).unwrap();
            assert_eq!((frontend.chunk_samples(), frontend.frames(48_000)), (48_000, frames));
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        for frontend in [logmel(), fbank(), mfcc(), speechbrain(), whisper(), raw()] {
            for key in frontend.as_object().unwrap().keys() {
                let mut frontend = frontend.clone();
                frontend.as_object_mut().unwrap().remove(key);
                let message = message(frontend);
                assert!(message.contains("`frontend") && message.contains(key.as_str()), "{key}: {message}");
            }
        }
    }

    #[test]
    fn unknown_keys_and_kinds_are_named() {
        for mut frontend in [logmel(), fbank(), mfcc(), speechbrain(), whisper(), raw()] {
            frontend["hop_lenght"] = json!(1);
            assert!(message(frontend.clone()).contains("unknown field `hop_lenght`"));
            frontend["kind"] = json!("kaldi-plp");
            assert!(message(frontend.clone()).contains("`frontend.kind`: unknown kind `kaldi-plp`"));
            frontend["kind"] = json!(3);
            assert!(message(frontend).contains("`frontend.kind`: a name was expected"));
        }
        for pointer in ["/frame_opts", "/mel_opts"] {
            let mut frontend = fbank();
            frontend.pointer_mut(pointer).unwrap()["extra"] = json!(1);
            let message = message(frontend);
            let key = format!("`frontend{}.extra`: unknown field `extra`", pointer.replace('/', "."));
            assert!(message.contains(&key), "{message}");
        }
    }

    fn assert_refused(frontend: &Value, pointer: &str, value: &Value) {
        let mut frontend = frontend.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        frontend.pointer_mut(parent).unwrap()[key] = value.clone();
        let (message, path) = (message(frontend), format!("`frontend{}`", pointer.replace('/', ".")));
        assert!(message.starts_with("model file: ") && message.contains(&path), "{path}, {value}: {message}");
    }

    #[test]
    fn invalid_values_of_logmel_are_named() {
        for (pointer, value) in [
            ("/window", json!("hamming")),
            ("/padding", json!("reflect")),
            ("/mel_scale", json!("htk")),
            ("/mel_norm", json!(null)),
            ("/reference", json!(1.0)),
            ("/power", json!(1.0)),
            ("/n_fft", json!(0)),
            ("/n_fft", json!(1023)),
            ("/n_fft", json!(1_u64 << 60)),
            ("/n_fft", json!(-1)),
            ("/n_fft", json!("1024")),
            ("/hop_length", json!(0)),
            ("/hop_length", json!(1025)),
            ("/n_mels", json!(0)),
            ("/n_mels", json!(1_000_000)),
            ("/sample_rate_hz", json!(0)),
            ("/f_min_hz", json!(8000.0)),
            ("/f_max_hz", json!(8001.0)),
            ("/amin", json!(0.0)),
            ("/top_db", json!(-80.0)),
            ("/window_s", json!(1e300)),
            ("/normalisation/scale_db", json!(0.0)),
            ("/normalisation/offset_db", json!(1e6)),
        ] {
            assert_refused(&logmel(), pointer, &value);
        }
    }

    #[test]
    fn invalid_values_of_kaldis_front_ends_are_named() {
        for (pointer, value) in [
            ("/frame_opts/samp_freq", json!(0)),
            ("/frame_opts/samp_freq", json!(16000.5)),
            ("/frame_opts/samp_freq", json!(1_u64 << 40)),
            ("/frame_opts/frame_shift_ms", json!(0.0)),
            ("/frame_opts/frame_shift_ms", json!(1e30)),
            ("/frame_opts/frame_length_ms", json!(-25.0)),
            ("/frame_opts/dither", json!(1.0)),
            ("/frame_opts/preemph_coeff", json!(1.5)),
            ("/frame_opts/window_type", json!("hann")),
            ("/frame_opts/blackman_coeff", json!(2.0)),
            ("/frame_opts/sample_scale", json!(32768)),
            ("/mel_opts/num_bins", json!(2)),
            ("/mel_opts/num_bins", json!(250)), // with an empty band
            ("/mel_opts/num_bins", json!(1_u64 << 60)),
            ("/mel_opts/low_freq", json!(-1.0)),
            ("/mel_opts/high_freq", json!(9000.0)),
            ("/energy_floor", json!(-1.0)),
            ("/window_s", json!(1e300)),
            ("/mean_over_time", json!(1)),
            ("/cmn_window", json!(3)), // with mean_over_time
        ] {
            assert_refused(&fbank(), pointer, &value);
            assert_refused(&mfcc(), pointer, &value);
        }
        for (pointer, value) in [("/num_ceps", json!(81)), ("/num_ceps", json!(0)), ("/cepstral_lifter", json!(-1.0))] {
            assert_refused(&mfcc(), pointer, &value);
        }
    }

    #[test]
    fn invalid_values_of_raw_samples_are_named() {
        for (pointer, value) in [
            ("/sample_rate_hz", json!(0)),
            ("/do_normalize", json!("yes")),
            ("/normalize_eps", json!(0.0)),
            ("/window_s", json!(1e9)),
        ] {
            assert_refused(&raw(), pointer, &value);
        }
    }

    #[test]
    fn invalid_values_of_the_voice_activity_detection_are_named() {
        let mut frontend = mfcc();
        frontend["vad"] = vad();
        assert!(Frontend::parse(frontend.clone()).unwrap().vad.is_some());
        for (pointer, value) in [
            ("/vad/vad_energy_threshold", json!(1e30)),
            ("/vad/vad_energy_mean_scale", json!(-0.5)),
            ("/vad/vad_frames_context", json!(-1)),
            ("/vad/vad_frames_context", json!(1_u64 << 40)),
            ("/vad/vad_proportion_threshold", json!(0.0)),
            ("/vad/vad_proportion_threshold", json!(1.0)),
            ("/vad/vad_energy_treshold", json!(5.0)),
        ] {
            assert_refused(&frontend, pointer, &value);
        }
        // HTK's order has the energy in the last column.
        frontend["htk_compat"] = json!(true);
        let message = message(frontend);
        assert!(message.contains("`frontend.vad`") && message.contains("htk_compat"), "{message}");
    }

    #[test]
    fn the_speech_level_is_optional_for_every_kind() {
        for mut frontend in [logmel(), fbank(), mfcc(), speechbrain(), whisper(), raw()] {
            assert_eq!(Frontend::parse(frontend.clone()).unwrap().level, None);
            frontend["level"] = json!({"speech_dbfs": -23.0, "gate_db": 30.0});
            let level = SpeechLevelOptions { speech_dbfs: -23.0, gate_db: 30.0 };
            let parsed = Frontend::parse(frontend.clone()).unwrap();
            assert_eq!(parsed.level, Some(level));
            for (pointer, value) in [
                ("/level/speech_dbfs", json!(1.0)),
                ("/level/gate_db", json!(-1.0)),
                ("/level/gate", json!(30.0)),
                ("/level", json!(3)),
            ] {
                assert_refused(&frontend, pointer, &value);
            }
            let samples: Vec<f32> = (0..8_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect();
            let quieter: Vec<f32> = samples.iter().map(|x| x / 64.0).collect();
            let (mut extractor, mut loud, mut quiet) = (parsed.extractor().unwrap(), Vec::new(), Vec::new());
            extractor.run(&samples, &mut loud);
            extractor.run(&quieter, &mut quiet);
            // a gain of a power of two is exact
            assert_eq!(loud, quiet);
        }
    }

    #[test]
    fn the_sliding_mean_replaces_the_mean_over_time() {
        let mut frontend = mfcc();
        assert!(Frontend::parse(frontend.clone()).unwrap().normalisation.mean_over_time);
        frontend["mean_over_time"] = json!(false);
        for (value, cmn_window) in [(json!(3), Some(3)), (json!(null), None)] {
            frontend["cmn_window"] = value;
            assert_eq!(Frontend::parse(frontend.clone()).unwrap().normalisation.cmn_window, cmn_window);
        }
        assert_refused(&frontend, "/cmn_window", &json!(0));
    }

    #[test]
    fn the_smallest_number_of_samples_gives_the_number_of_frames() {
        let mut mirrored = fbank();
        mirrored["frame_opts"]["snip_edges"] = json!(false);
        for frontend in [logmel(), fbank(), mfcc(), mirrored, speechbrain(), whisper(), raw()] {
            let frontend = Frontend::parse(frontend).unwrap();
            let (mut extractor, mut features) = (frontend.extractor().unwrap(), Vec::new());
            for frames in [1, 2, 15, 188] {
                let samples = frontend.samples_for(frames);
                assert_eq!(extractor.run(&vec![0.1; samples], &mut features), frames);
                assert_eq!((features.len(), frontend.frames(samples)), (frames * frontend.bands(), frames));
                if samples > 0 {
                    assert_eq!(extractor.run(&vec![0.1; samples - 1], &mut features), frames - 1);
                }
            }
        }
    }
}
