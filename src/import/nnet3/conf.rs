//! Front-end of a Kaldi network: features by an `mfcc.conf` or by the recipe with the same number
//! of coefficients, energy VAD by a `vad.conf` or as in the recipes.

use serde_json::{Value, json};

use super::errors::{brief, malformed};
use crate::error::{Error, Result};

/// Length in frames of the sliding window whose mean both recipes subtract
/// (`apply-cmvn-sliding --center=true --cmn-window=300`).
const CMN_WINDOW: usize = 300;

/// `conf/mfcc.conf` of the VoxCeleb recipe (egs/voxceleb/v2).
const VOXCELEB: &str =
    "--sample-frequency=16000\n--low-freq=20\n--high-freq=7600\n--num-mel-bins=30\n--num-ceps=30\n--snip-edges=false";
/// `conf/mfcc.conf` of the SRE16 recipe (egs/sre16/v2).
const SRE16: &str = "--sample-frequency=8000\n--low-freq=20\n--high-freq=3700\n--num-ceps=23\n--snip-edges=false";

/// The manifest's `frontend` of the recipe with `dim` coefficients.
pub(super) fn of_recipe(dim: usize) -> Result<Value> {
    match dim {
        30 => frontend(VOXCELEB, dim),
        23 => frontend(SRE16, dim),
        _ => Err(Error::Usage(format!(
            "its input has {dim} values per frame, the VoxCeleb recipe's 30 and the SRE16 recipe's 23; give the mfcc.conf as a second file"
        ))),
    }
}

/// The manifest's `frontend` of an `mfcc.conf`, whose lines are `--key=value`; Kaldi's defaults for
/// the rest; no dither.
pub(super) fn frontend(conf: &str, dim: usize) -> Result<Value> {
    let mut recipe = defaults();
    options(conf).try_for_each(|line| set(&mut recipe, line, of_mfcc))?;
    let ceps = recipe["num_ceps"].as_u64();
    if ceps == Some(dim as u64) {
        return Ok(recipe);
    }
    Err(Error::Usage(format!(
        "`--num-ceps` is {}, but the network's input has {dim} values per frame",
        recipe["num_ceps"]
    )))
}

/// Whether a file has options of `compute-vad`, not of the features.
pub(super) fn is_of_vad(conf: &str) -> bool {
    options(conf).any(|line| line.starts_with("--vad-"))
}

/// The manifest's `frontend.vad` of a `vad.conf`; Kaldi's defaults for the rest.
pub(super) fn vad(conf: &str) -> Result<Value> {
    let mut recipe = json!({
        "vad_energy_threshold": 5.0, "vad_energy_mean_scale": 0.5, "vad_frames_context": 0, "vad_proportion_threshold": 0.6,
    });
    options(conf).try_for_each(|line| set(&mut recipe, line, of_vad))?;
    Ok(recipe)
}

/// The manifest's `frontend.vad` of both recipes (`conf/vad.conf` of egs/voxceleb/v2 and
/// egs/sre16/v2).
pub(super) fn vad_of_recipe() -> Value {
    json!({
        "vad_energy_threshold": 5.5, "vad_energy_mean_scale": 0.5, "vad_frames_context": 2, "vad_proportion_threshold": 0.12,
    })
}

/// Lines with an option, without comments.
fn options(conf: &str) -> impl Iterator<Item = &str> {
    conf.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

/// Defaults of Kaldi's `MfccOptions`.
fn defaults() -> Value {
    json!({
        "kind": "kaldi-mfcc",
        "frame_opts": {"samp_freq": 16000, "frame_shift_ms": 10.0, "frame_length_ms": 25.0, "dither": 0.0, "preemph_coeff": 0.97,
            "remove_dc_offset": true, "window_type": "povey", "blackman_coeff": 0.42, "round_to_power_of_two": true,
            "snip_edges": true, "sample_scale": "int16"},
        "mel_opts": {"num_bins": 23, "low_freq": 20.0, "high_freq": 0.0},
        "num_ceps": 13, "use_energy": true, "energy_floor": 0.0, "raw_energy": true, "cepstral_lifter": 22.0, "htk_compat": false,
        "window_s": 60.0, "mean_over_time": false, "cmn_window": CMN_WINDOW,
    })
}

/// Sets the option of a line. `place` is the JSON pointer of a key's value, empty for one without
/// effect.
fn set(recipe: &mut Value, line: &str, place: fn(&str) -> Option<&'static str>) -> Result<()> {
    let unread = || malformed(format!("`{}` is not a line of an mfcc.conf or vad.conf", brief(line)));
    let (key, value) = line.strip_prefix("--").and_then(|line| line.split_once('=')).ok_or_else(unread)?;
    let (key, value) = (key.trim(), value.trim());
    let pointer = place(key)
        .ok_or_else(|| Error::Unsupported(format!("option `--{}` of an mfcc.conf or vad.conf", brief(key))))?;
    if pointer.is_empty() {
        return Ok(());
    }
    let place = recipe.pointer_mut(pointer).ok_or_else(unread)?;
    *place = match place {
        Value::Bool(_) => Value::Bool(value.parse().map_err(|_| unread())?),
        Value::String(_) => Value::String(value.to_owned()),
        Value::Number(old) if old.is_u64() => {
            json!(value.parse::<f64>().ok().filter(|v| v.fract() == 0.0).ok_or_else(unread)? as u64)
        }
        _ => json!(value.parse::<f64>().map_err(|_| unread())?),
    };
    Ok(())
}

/// JSON pointer of an option of `vad.conf`.
fn of_vad(key: &str) -> Option<&'static str> {
    Some(match key {
        "vad-energy-threshold" => "/vad_energy_threshold",
        "vad-energy-mean-scale" => "/vad_energy_mean_scale",
        "vad-frames-context" => "/vad_frames_context",
        "vad-proportion-threshold" => "/vad_proportion_threshold",
        _ => return None,
    })
}

/// JSON pointer of an option of `mfcc.conf`.
fn of_mfcc(key: &str) -> Option<&'static str> {
    Some(match key {
        "sample-frequency" => "/frame_opts/samp_freq",
        "frame-shift" => "/frame_opts/frame_shift_ms",
        "frame-length" => "/frame_opts/frame_length_ms",
        "preemphasis-coefficient" => "/frame_opts/preemph_coeff",
        "remove-dc-offset" => "/frame_opts/remove_dc_offset",
        "window-type" => "/frame_opts/window_type",
        "blackman-coeff" => "/frame_opts/blackman_coeff",
        "round-to-power-of-two" => "/frame_opts/round_to_power_of_two",
        "snip-edges" => "/frame_opts/snip_edges",
        "num-mel-bins" => "/mel_opts/num_bins",
        "low-freq" => "/mel_opts/low_freq",
        "high-freq" => "/mel_opts/high_freq",
        "num-ceps" => "/num_ceps",
        "use-energy" => "/use_energy",
        "energy-floor" => "/energy_floor",
        "raw-energy" => "/raw_energy",
        "cepstral-lifter" => "/cepstral_lifter",
        "htk-compat" => "/htk_compat",
        // dither would make the result random; sample rates are always converted
        "dither" | "allow-downsample" | "allow-upsample" => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_selected_by_the_number_of_coefficients() {
        let voxceleb = of_recipe(30).unwrap();
        assert_eq!(
            (&voxceleb["frame_opts"]["samp_freq"], &voxceleb["mel_opts"]["num_bins"]),
            (&json!(16000), &json!(30))
        );
        let sre16 = of_recipe(23).unwrap();
        assert_eq!(
            (&sre16["frame_opts"]["snip_edges"], &sre16["mel_opts"]["high_freq"]),
            (&json!(false), &json!(3700.0))
        );
        assert!(of_recipe(24).unwrap_err().to_string().contains("mfcc.conf"));
    }

    #[test]
    fn an_mfcc_conf_is_read_and_unknown_lines_are_named() {
        let conf = "# of the recipe\n--num-ceps=20 # more\n\n--sample-frequency=8000.0\n--use-energy=false\n--dither=1\n--allow-upsample=true\n--window-type=hamming\n";
        let recipe = frontend(conf, 20).unwrap();
        assert_eq!((&recipe["num_ceps"], &recipe["use_energy"]), (&json!(20), &json!(false)));
        assert_eq!(recipe["frame_opts"]["window_type"], "hamming");
        for (line, what) in
            [("--vtln-low=100", "`--vtln-low`"), ("num-ceps 20", "`num-ceps 20`"), ("--num-ceps=many", "num-ceps=many")]
        {
            let message = frontend(line, 20).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
        assert!(frontend("--num-ceps=13", 20).unwrap_err().to_string().contains("20 values"));
    }

    #[test]
    fn a_vad_conf_is_recognised_and_read() {
        let conf = "--vad-energy-threshold=4.5 # softer\n--vad-frames-context=3\n";
        assert!(is_of_vad(conf) && !is_of_vad("# --vad-energy-threshold=5\n--num-ceps=20"));
        let recipe = vad(conf).unwrap();
        assert_eq!((&recipe["vad_energy_threshold"], &recipe["vad_frames_context"]), (&json!(4.5), &json!(3)));
        assert_eq!(recipe["vad_proportion_threshold"], 0.6);
        for (line, what) in [
            ("--vad-frames-context=few", "few"),
            ("--vad-energy=3", "`--vad-energy`"),
            ("--num-ceps=5", "`--num-ceps`"),
        ] {
            assert!(vad(line).unwrap_err().to_string().contains(what));
        }
    }
}
