//! A front-end from the defaults of its kind and single options, set by their names.

use serde::Serialize;
use serde_json::{Value, json};

use crate::dsp::{FbankOptions, KaldiMfccOptions, LogMelOptions, SpeechBrainFbankOptions, WhisperLogMelOptions};
use crate::error::{Error, Result};
use crate::models::frontend::Frontend;

impl Frontend {
    /// The kinds that [`Self::with_options`] accepts.
    pub const KINDS: [&str; 5] = ["logmel", "kaldi-fbank", "kaldi-mfcc", "speechbrain-fbank", "whisper-logmel"];

    /// The front-end of a kind with the defaults of its toolkit (librosa with 128 bands and `n_fft`
    /// 1024; Kaldi without dither and with samples scaled to int16; SpeechBrain; Whisper) and with some
    /// options changed. Each option is a key of the manifest's `frontend`, such as `n_mels` or
    /// `mel_opts.num_bins`, and its value in JSON. By default no mean is subtracted.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] names an unknown kind or option, or an option whose value is invalid.
    pub fn with_options(kind: &str, options: &[(String, String)]) -> Result<Self> {
        let mut frontend = defaults(kind)?;
        for (key, value) in options {
            let pointer = format!("/{}", key.replace('.', "/"));
            let known = option_names(&frontend);
            let place = frontend.pointer_mut(&pointer).filter(|place| !place.is_object() && key != "kind");
            let unknown = || Error::Usage(format!("unknown option `{key}` of {kind}; its options are {known}"));
            *place.ok_or_else(unknown)? = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
        }
        Self::read(frontend).map_err(|error| Error::Usage(format!("option `{}`: {}", error.path, error.problem)))
    }
}

fn defaults(kind: &str) -> Result<Value> {
    let mean = json!({"window_s": 60.0, "mean_over_time": false});
    let kaldi_mean = json!({"window_s": 60.0, "mean_over_time": false, "cmn_window": null});
    match kind {
        "logmel" => {
            let scale = json!({"mean_over_time": false, "offset_db": 0.0, "scale_db": 1.0});
            joined(kind, &LogMelOptions::default(), json!({"window_s": 60.0, "normalisation": scale}))
        }
        "kaldi-fbank" => joined(kind, &FbankOptions::default(), kaldi_mean),
        "kaldi-mfcc" => joined(kind, &KaldiMfccOptions::default(), kaldi_mean),
        "speechbrain-fbank" => joined(kind, &SpeechBrainFbankOptions::default(), mean),
        "whisper-logmel" => joined(kind, &WhisperLogMelOptions::default(), json!({"window_s": 30.0})),
        other => {
            let known = Frontend::KINDS.join(", ");
            Err(Error::Usage(format!("unknown front-end `{other}`; the front-ends are {known}")))
        }
    }
}

/// One object with the kind, the options of the features and the other keys of the front-end.
fn joined(kind: &str, options: &impl Serialize, keys: Value) -> Result<Value> {
    let mut frontend = serde_json::to_value(options).map_err(|error| Error::Internal(error.to_string()))?;
    if let (Value::Object(frontend), Value::Object(keys)) = (&mut frontend, keys) {
        frontend.insert("kind".to_owned(), kind.into());
        frontend.extend(keys);
    }
    Ok(frontend)
}

/// Names of all options of a front-end, those inside an object by their path.
fn option_names(frontend: &Value) -> String {
    let mut names = Vec::new();
    for (key, value) in frontend.as_object().into_iter().flatten().filter(|(key, _)| *key != "kind") {
        match value {
            Value::Object(inner) => names.extend(inner.keys().map(|k| format!("{key}.{k}"))),
            _ => names.push(key.clone()),
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_defaults_of_every_kind_are_valid() {
        for (kind, bands) in Frontend::KINDS.into_iter().zip([128, 23, 13, 40, 80]) {
            let frontend = Frontend::with_options(kind, &[]).unwrap();
            assert_eq!(frontend.bands(), bands, "{kind}");
            frontend.extractor().unwrap();
        }
    }

    #[test]
    fn options_are_set_and_invalid_ones_are_named() {
        let set = options(&[("mel_opts.num_bins", "80"), ("frame_opts.window_type", "hamming"), ("cmn_window", "300")]);
        assert_eq!(Frontend::with_options("kaldi-fbank", &set).unwrap().bands(), 80);
        let message = |kind, pairs| Frontend::with_options(kind, &options(pairs)).unwrap_err().to_string();
        let unknown = message("logmel", &[("mels", "80")]);
        assert!(unknown.contains("unknown option `mels` of logmel; its options are amin, f_max_hz"), "{unknown}");
        assert!(message("kaldi-mfcc", &[("frame_opts", "80")]).contains("frame_opts.blackman_coeff"));
        assert!(message("kaldi-mfcc", &[("num_ceps", "many")]).starts_with("option `num_ceps`: "));
        assert!(
            message("kaldi-mfcc", &[("mel_opts.num_bins", "250")]).starts_with("option `mel_opts.num_bins`: is 250")
        );
        assert!(message("plp", &[]).contains("logmel, kaldi-fbank"));
    }
}
