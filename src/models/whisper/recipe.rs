//! The manifest's `representation` of kind `whisper`.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::recipe::{parse, within, wrong};

/// Maximum number of channels of a layer.
const MAX_CHANNELS: usize = 16_384;
/// Maximum number of layers.
const MAX_LAYERS: usize = 100;

/// The manifest's `representation` of kind `whisper`: the encoder's first layers, and the states
/// whose means over time are the representation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhisperRecipe {
    /// Bands of the log-mel spectrogram.
    pub mels: usize,
    /// Channels of each layer, even.
    pub width: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// Channels between the two dense layers of a layer.
    pub feed_forward: usize,
    /// Layers in the file.
    pub layers: usize,
    /// The states that are pooled, ascending: 0 is the input of the first layer, k the output of
    /// layer k.
    pub states: Vec<usize>,
    /// Whether the last layer's output goes through the final layer norm (`ln_post`) first.
    pub final_norm: bool,
    /// How the states' means over time become one vector.
    pub pool: Pool,
    /// Whether the representation is standardised by the tensors `representation.mean` and
    /// `representation.scale`.
    pub normalise: bool,
}

/// How the means of several states become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// One after the other: `[states · width]`.
    Concat,
    /// Their mean: `[width]`.
    Mean,
}

impl WhisperRecipe {
    /// Parses the object without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<()> {
        within("representation.mels", &self.mels, 1..=1_024)?;
        within("representation.width", &self.width, 4..=MAX_CHANNELS)?;
        within("representation.feed_forward", &self.feed_forward, 1..=4 * MAX_CHANNELS)?;
        within("representation.layers", &self.layers, 0..=MAX_LAYERS)?;
        if !self.width.is_multiple_of(2) {
            return Err(wrong("representation.width", format!("{} is odd", self.width)));
        }
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            let what = format!("{} channels are not a multiple of {}", self.width, self.heads);
            return Err(wrong("representation.heads", what));
        }
        if self.states.is_empty() {
            return Err(wrong("representation.states", "no states"));
        }
        for (i, state) in self.states.iter().enumerate() {
            within(&format!("representation.states[{i}]"), state, 0..=self.layers)?;
        }
        if let Some(at) = self.states.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(wrong(&format!("representation.states[{}]", at + 1), "is not above the state before it"));
        }
        if self.final_norm && self.states.last() != Some(&self.layers) {
            return Err(wrong("representation.final_norm", "needs the last layer's output among the states"));
        }
        Ok(())
    }

    /// Length of the vector.
    pub(super) fn dim(&self) -> usize {
        match self.pool {
            Pool::Concat => self.states.len() * self.width,
            Pool::Mean => self.width,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> Value {
        json!({"mels": 80, "width": 512, "heads": 8, "feed_forward": 2048, "layers": 6, "states": [3, 4, 6],
            "final_norm": true, "pool": "concat", "normalise": false})
    }

    #[test]
    fn the_length_of_the_vector_depends_on_the_pooling() {
        assert_eq!(WhisperRecipe::parse(base()).unwrap().dim(), 3 * 512);
        let mut mean = base();
        mean["pool"] = json!("mean");
        assert_eq!(WhisperRecipe::parse(mean).unwrap().dim(), 512);
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/mels", json!(0), "mels"),
            ("/width", json!(0), "width"),
            ("/width", json!(513), "width"),
            ("/heads", json!(0), "heads"),
            ("/heads", json!(7), "heads"),
            ("/feed_forward", json!(1_u64 << 40), "feed_forward"),
            ("/layers", json!(101), "layers"),
            ("/states", json!([]), "states"),
            ("/states/2", json!(7), "states[2]"),
            ("/states/1", json!(3), "states[1]"),
            ("/states/2", json!(5), "final_norm"),
            ("/pool", json!("max"), "pool"),
            ("/normalise", json!(null), "normalise"),
        ] {
            let mut broken = base();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = WhisperRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`representation.{name}`")), "{pointer}: {message}");
        }
        let mut unknown = base();
        unknown["decoder"] = json!(1);
        assert!(WhisperRecipe::parse(unknown).unwrap_err().to_string().contains("decoder"));
    }
}
