//! A front-end from its kind's defaults and a few knobs by their names.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::models::frontend::Frontend;

impl Frontend {
    /// The kinds that [`Self::of_knobs`] knows.
    pub const KINDS: [&str; 4] = ["logmel", "kaldi-fbank", "kaldi-mfcc", "speechbrain-fbank"];

    /// The front-end of a kind with its toolkit's defaults (librosa's with 128 bands in 1024 samples; Kaldi's without dither, samples as whole
    /// numbers; SpeechBrain's), but for some knobs: a key of the manifest's `frontend`, such as `n_mels` or `mel_opts.num_bins`, and its value.
    /// Nothing is taken off over time unless a knob asks for it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names a kind or a key that there is not, or a value that makes no sense.
    pub fn of_knobs(kind: &str, knobs: &[(String, String)]) -> Result<Self> {
        let mut recipe = defaults(kind)?;
        for (key, value) in knobs {
            let pointer = format!("/{}", key.replace('.', "/"));
            let known = known_keys(&recipe);
            let place = recipe.pointer_mut(&pointer).filter(|place| !place.is_object() && key != "kind");
            let unknown = || Error::Config(format!("`{key}` is no knob of {kind}; it has {known}"));
            *place.ok_or_else(unknown)? = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
        }
        Self::parse(recipe)
    }
}

fn defaults(kind: &str) -> Result<Value> {
    Ok(match kind {
        "logmel" => {
            json!({"kind": kind, "sample_rate_hz": 16000, "n_fft": 1024, "hop_length": 256, "window": "hann_periodic",
            "padding": "zeros_centred", "n_mels": 128, "mel_scale": "slaney", "mel_norm": "slaney", "f_min_hz": 0.0,
            "f_max_hz": 8000.0, "power": 2.0, "amin": 1e-10, "reference": "max", "top_db": 80.0, "window_s": 60.0,
            "normalisation": {"mean_over_time": false, "offset_db": 0.0, "scale_db": 1.0}})
        }
        "kaldi-fbank" => kaldi(&json!({"kind": kind, "use_energy": false, "use_log_fbank": true, "use_power": true})),
        "kaldi-mfcc" => kaldi(&json!({"kind": kind, "use_energy": true, "num_ceps": 13, "cepstral_lifter": 22.0})),
        "speechbrain-fbank" => json!({"kind": kind, "sample_rate_hz": 16000, "n_fft": 400, "win_length_ms": 25.0,
            "hop_length_ms": 10.0, "n_mels": 40, "f_min_hz": 0.0, "f_max_hz": 8000.0, "amin": 1e-10, "top_db": 80.0,
            "window_s": 60.0, "mean_over_time": false}),
        other => {
            let known = Frontend::KINDS.join(", ");
            return Err(Error::Config(format!("`{other}` is no front-end; there are {known}")));
        }
    })
}

/// Kaldi's options that both kinds have, and those of one kind.
fn kaldi(own: &Value) -> Value {
    let mut recipe = json!({
        "frame_opts": {"samp_freq": 16000, "frame_shift_ms": 10.0, "frame_length_ms": 25.0, "dither": 0.0, "preemph_coeff": 0.97,
            "remove_dc_offset": true, "window_type": "povey", "blackman_coeff": 0.42, "round_to_power_of_two": true,
            "snip_edges": true, "sample_scale": "int16"},
        "mel_opts": {"num_bins": 23, "low_freq": 20.0, "high_freq": 0.0},
        "energy_floor": 0.0, "raw_energy": true, "htk_compat": false, "window_s": 60.0, "mean_over_time": false, "cmn_window": null,
    });
    if let (Value::Object(recipe), Value::Object(own)) = (&mut recipe, own) {
        recipe.extend(own.clone());
    }
    recipe
}

/// All keys of a recipe, those inside others behind a dot.
fn known_keys(recipe: &Value) -> String {
    let mut keys = Vec::new();
    for (key, value) in recipe.as_object().into_iter().flatten().filter(|(key, _)| *key != "kind") {
        match value {
            Value::Object(inner) => keys.extend(inner.keys().map(|k| format!("{key}.{k}"))),
            _ => keys.push(key.clone()),
        }
    }
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knobs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_defaults_of_every_kind_are_a_front_end() {
        for (kind, bands) in Frontend::KINDS.into_iter().zip([128, 23, 13, 40]) {
            let frontend = Frontend::of_knobs(kind, &[]).unwrap();
            assert_eq!(frontend.bands(), bands, "{kind}");
            frontend.extractor().unwrap();
        }
    }

    #[test]
    fn knobs_are_set_and_unknown_ones_are_named() {
        let set = knobs(&[("mel_opts.num_bins", "80"), ("frame_opts.window_type", "hamming"), ("cmn_window", "300")]);
        assert_eq!(Frontend::of_knobs("kaldi-fbank", &set).unwrap().bands(), 80);
        let message = |kind, pairs| Frontend::of_knobs(kind, &knobs(pairs)).unwrap_err().to_string();
        assert!(message("logmel", &[("mels", "80")]).contains("`mels` is no knob of logmel; it has amin, f_max_hz"));
        assert!(message("kaldi-mfcc", &[("frame_opts", "80")]).contains("frame_opts.blackman_coeff"));
        assert!(message("kaldi-mfcc", &[("num_ceps", "many")]).contains("`frontend.num_ceps`"));
        assert!(message("plp", &[]).contains("logmel, kaldi-fbank"));
    }
}
