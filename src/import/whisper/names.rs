//! Names of the encoder's tensors in the files of transformers, of OpenAI's release and of
//! CTranslate2, mapped to those of transformers' encoder.

use crate::nn::Weights;

/// The positions, which the engine computes.
pub(super) const POSITIONS: &str = "embed_positions.weight";
/// End of the name of a tensor that has queries, keys and values as one.
pub(super) const QUERIES_KEYS_VALUES: &str = "@qkv";

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// transformers, with the prefix of the encoder inside the saved network.
    Transformers(&'static str),
    /// OpenAI's release.
    OpenAi,
    /// CTranslate2.
    CTranslate2,
}

impl Layout {
    /// The layout of a checkpoint or safetensors file.
    pub(super) fn of(weights: &Weights<'_>) -> Self {
        if weights.names().any(|name| name.starts_with("encoder.blocks.")) {
            return Self::OpenAi;
        }
        let prefixes = ["model.encoder.", "encoder."];
        let found = prefixes.into_iter().find(|prefix| weights.names().any(|name| name.starts_with(prefix)));
        Self::Transformers(found.unwrap_or_default())
    }

    /// The name in transformers' encoder; `None` for a tensor that is no part of it.
    pub(super) fn renamed(self, name: &str) -> Option<String> {
        match self {
            Self::Transformers(prefix) => name.strip_prefix(prefix).map(str::to_owned),
            Self::OpenAi => Some(from_openai(name.strip_prefix("encoder.")?)),
            Self::CTranslate2 => Some(from_ctranslate2(name.strip_prefix("encoder/")?)),
        }
    }
}

fn from_openai(name: &str) -> String {
    if name == "positional_embedding" {
        return POSITIONS.to_owned();
    }
    let pairs = [
        ("blocks.", "layers."),
        (".attn.query.", ".self_attn.q_proj."),
        (".attn.key.", ".self_attn.k_proj."),
        (".attn.value.", ".self_attn.v_proj."),
        (".attn.out.", ".self_attn.out_proj."),
        (".attn_ln.", ".self_attn_layer_norm."),
        (".mlp_ln.", ".final_layer_norm."),
        (".mlp.0.", ".fc1."),
        (".mlp.2.", ".fc2."),
        ("ln_post.", "layer_norm."),
    ];
    pairs.into_iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn from_ctranslate2(name: &str) -> String {
    let dotted = name.replace('/', ".").replace("gamma", "weight").replace("beta", "bias");
    if dotted == "position_encodings.encodings" {
        return POSITIONS.to_owned();
    }
    let pairs = [
        ("layer_norm.", "layer_norm."),
        (".self_attention.layer_norm.", ".self_attn_layer_norm."),
        (".ffn.layer_norm.", ".final_layer_norm."),
        (".self_attention.linear_1.", ".self_attn.out_proj."),
        (".ffn.linear_0.", ".fc1."),
        (".ffn.linear_1.", ".fc2."),
    ];
    let mut name = pairs.into_iter().fold(dotted, |name, (from, to)| name.replace(from, to));
    if let Some((layer, part)) = name.clone().split_once(".self_attention.linear_0.") {
        name = format!("{layer}.self_attn.{part}{QUERIES_KEYS_VALUES}");
    }
    // `layer_0.` is the first layer, `layer_norm.` the final norm
    match name.strip_prefix("layer_").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(rest) => format!("layers.{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_source() {
        for (layout, name, new) in [
            (Layout::Transformers("model.encoder."), "model.encoder.layers.0.fc1.bias", Some("layers.0.fc1.bias")),
            (Layout::Transformers("model.encoder."), "model.decoder.layers.0.fc1.bias", None),
            (Layout::OpenAi, "encoder.blocks.3.attn.key.weight", Some("layers.3.self_attn.k_proj.weight")),
            (Layout::OpenAi, "encoder.blocks.3.attn_ln.bias", Some("layers.3.self_attn_layer_norm.bias")),
            (Layout::OpenAi, "encoder.blocks.11.mlp.2.weight", Some("layers.11.fc2.weight")),
            (Layout::OpenAi, "encoder.ln_post.weight", Some("layer_norm.weight")),
            (Layout::OpenAi, "decoder.ln.weight", None),
            (Layout::CTranslate2, "encoder/layer_norm/gamma", Some("layer_norm.weight")),
            (Layout::CTranslate2, "encoder/conv1/bias", Some("conv1.bias")),
            (Layout::CTranslate2, "encoder/position_encodings/encodings", Some(POSITIONS)),
            (
                Layout::CTranslate2,
                "encoder/layer_12/self_attention/layer_norm/beta",
                Some("layers.12.self_attn_layer_norm.bias"),
            ),
            (
                Layout::CTranslate2,
                "encoder/layer_0/self_attention/linear_0/weight",
                Some("layers.0.self_attn.weight@qkv"),
            ),
            (Layout::CTranslate2, "encoder/layer_0/ffn/linear_1/bias", Some("layers.0.fc2.bias")),
            (Layout::CTranslate2, "decoder/embeddings/weight", None),
        ] {
            assert_eq!(layout.renamed(name).as_deref(), new, "{name}");
        }
    }
}
