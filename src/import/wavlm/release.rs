//! Checkpoints of WavLM's original release: `{"cfg": {…}, "model": {…}}`, with the keys and names
//! of its code.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::transformers::raw;
use crate::error::{Error, Result};
use crate::import::torch::Item;

/// Keys of training, which do not change hidden states.
const IGNORED: &[&str] = &[
    "_*",
    "activation_dropout",
    "attention_dropout",
    "dropout*",
    "encoder_layerdrop",
    "feature_grad_mult",
    "mask_*",
    "no_mask_*",
    "label_rate",
    "logit_temp",
    "sample_rate",
    "skip_masked",
    "skip_nomask",
    "target_glu",
    "untie_final_proj",
    "final_dim",
    "pred_*",
    "expand_attention_head_size",
    "required_seq_len_multiple",
    "checkpoint_activations",
];

/// The manifest's `frontend` and `representation`.
pub(super) fn recipes(cfg: Item<'_>) -> Result<(Value, Value)> {
    let mut keys = Keys::new("the checkpoint's `cfg`", scalars(cfg));
    keys.fixed("activation_fn", "gelu")?;
    keys.fixed("relative_position_embedding", true)?;
    keys.fixed("gru_rel_pos", true)?;
    let layers = keys.count("encoder_layers", 12)?;
    let convolutions = keys.take("conv_feature_layers", "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2");
    let convolutions = conv_layers(convolutions.as_str().unwrap_or_default()).ok_or_else(|| {
        Error::Unsupported(format!(
            "the checkpoint's `cfg`: `conv_feature_layers` is {convolutions}, not a list of convolutions"
        ))
    })?;
    let part = |i: usize| convolutions.iter().map(|layer| layer[i]).collect::<Vec<_>>();
    let norm = match keys.take("extractor_mode", "default").as_str() {
        Some("default") => "group",
        Some("layer_norm") => "layer",
        _ => {
            return Err(Error::Unsupported(
                "the checkpoint's `cfg`: an `extractor_mode` that is neither `default` nor `layer_norm`".into(),
            ));
        }
    };
    let representation = json!({
        "kind": "wavlm",
        "conv_dim": part(0),
        "conv_kernel": part(1),
        "conv_stride": part(2),
        "conv_bias": keys.take("conv_bias", false),
        "feat_extract_norm": norm,
        "hidden_size": keys.take("encoder_embed_dim", 768),
        "hidden_state": layers,
        "num_hidden_layers": layers,
        "num_attention_heads": keys.take("encoder_attention_heads", 12),
        "intermediate_size": keys.take("encoder_ffn_embed_dim", 3072),
        "num_conv_pos_embeddings": keys.take("conv_pos", 128),
        "num_conv_pos_embedding_groups": keys.take("conv_pos_groups", 16),
        "num_buckets": keys.take("num_buckets", 320),
        "max_bucket_distance": keys.take("max_distance", 1280),
        "do_stable_layer_norm": keys.take("layer_norm_first", false),
        "layer_norm_eps": 1e-5,
        "normalise": false,
    });
    let frontend = raw(&keys.take("normalize", false), 1e-5, &json!(16_000));
    keys.finish(IGNORED)?;
    Ok((frontend, representation))
}

/// Strings, numbers and booleans of the dictionary. Other values, such as lists, become `null`.
fn scalars(cfg: Item<'_>) -> Map<String, Value> {
    let value = |item: Item<'_>| {
        let text = item.text().map(Value::from);
        text.or(item.bool().map(Value::from)).or(item.int().map(Value::from)).or(item.number().map(Value::from))
    };
    cfg.pairs().filter_map(|(key, item)| Some((key.text()?.to_owned(), value(item).unwrap_or(Value::Null)))).collect()
}

/// Parses `[(512,10,5)] + [(512,3,2)] * 4`: channels, kernel size and stride of each convolution.
fn conv_layers(text: &str) -> Option<Vec<[usize; 3]>> {
    let mut layers = Vec::new();
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for term in packed.split('+') {
        let (list, times) = match term.rsplit_once('*') {
            Some((list, times)) => (list, times.parse::<usize>().ok().filter(|n| *n <= 100)?),
            None => (term, 1),
        };
        let inside = list.strip_prefix("[(")?.strip_suffix(']')?.trim_end_matches(',').strip_suffix(')')?;
        let sizes = inside.split("),(").map(|layer| {
            let numbers: Vec<usize> = layer.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
            <[usize; 3]>::try_from(numbers).ok()
        });
        let sizes: Vec<[usize; 3]> = sizes.collect::<Option<_>>()?;
        (0..times).for_each(|_| layers.extend_from_slice(&sizes));
    }
    Some(layers)
}

/// The name in transformers of a tensor of the release; `None` for one that only training uses.
pub(super) fn renamed(name: &str) -> Option<String> {
    if name == "mask_emb" || name.starts_with("final_proj.") || name.starts_with("label_embs") {
        return None;
    }
    if let Some(rest) = name.strip_prefix("feature_extractor.conv_layers.") {
        return Some(format!("feature_extractor.conv_layers.{}", conv_part(rest)));
    }
    let beginnings = [
        ("post_extract_proj.", "feature_projection.projection."),
        ("layer_norm.", "feature_projection.layer_norm."),
        ("encoder.pos_conv.0.", "encoder.pos_conv_embed.conv."),
    ];
    let beginning = beginnings.iter().find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)));
    let parts = [
        (".self_attn.grep_linear.", ".attention.gru_rel_pos_linear."),
        (".self_attn.grep_a", ".attention.gru_rel_pos_const"),
        (".self_attn.relative_attention_bias.", ".attention.rel_attn_embed."),
        (".self_attn_layer_norm.", ".layer_norm."),
        (".self_attn.", ".attention."),
        (".fc1.", ".feed_forward.intermediate_dense."),
        (".fc2.", ".feed_forward.output_dense."),
    ];
    let part = || parts.iter().find(|(from, _)| name.contains(from)).map(|(from, to)| name.replacen(from, to, 1));
    Some(beginning.or_else(part).unwrap_or_else(|| name.to_owned()))
}

/// Renames a part of a convolution layer: `3.0.weight` is the convolution's; `3.2.weight` and
/// `3.2.1.weight` are the norm's.
fn conv_part(rest: &str) -> String {
    let pieces: Vec<&str> = rest.split('.').collect();
    match pieces[..] {
        [layer, "0", part] => format!("{layer}.conv.{part}"),
        [layer, "2", part] | [layer, "2", "1", part] => format!("{layer}.layer_norm.{part}"),
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_are_parsed_and_not_executed() {
        let base = conv_layers("[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2").unwrap();
        assert_eq!((base.len(), base[0], base[4], base[6]), (7, [512, 10, 5], [512, 3, 2], [512, 2, 2]));
        assert_eq!(conv_layers("[(8, 3, 2), (9, 2, 1)]*2").unwrap(), [[8, 3, 2], [9, 2, 1], [8, 3, 2], [9, 2, 1]]);
        for text in
            ["", "[]", "[(1,2)]", "[(1,2,3)] * x", "[(1,2,3)] * 101", "__import__('os')", "[(1,2,-3)]", "[(1,2,3)"]
        {
            assert_eq!(conv_layers(text), None, "{text}");
        }
    }

    #[test]
    fn names_become_those_of_transformers() {
        for (from, to) in [
            ("feature_extractor.conv_layers.0.0.weight", "feature_extractor.conv_layers.0.conv.weight"),
            ("feature_extractor.conv_layers.0.2.bias", "feature_extractor.conv_layers.0.layer_norm.bias"),
            ("feature_extractor.conv_layers.3.2.1.weight", "feature_extractor.conv_layers.3.layer_norm.weight"),
            ("layer_norm.weight", "feature_projection.layer_norm.weight"),
            ("encoder.layer_norm.weight", "encoder.layer_norm.weight"),
            ("encoder.pos_conv.0.weight_g", "encoder.pos_conv_embed.conv.weight_g"),
            ("encoder.layers.4.self_attn.out_proj.bias", "encoder.layers.4.attention.out_proj.bias"),
            ("encoder.layers.4.self_attn_layer_norm.bias", "encoder.layers.4.layer_norm.bias"),
            ("encoder.layers.4.final_layer_norm.bias", "encoder.layers.4.final_layer_norm.bias"),
            ("encoder.layers.4.self_attn.grep_a", "encoder.layers.4.attention.gru_rel_pos_const"),
            (
                "encoder.layers.0.self_attn.relative_attention_bias.weight",
                "encoder.layers.0.attention.rel_attn_embed.weight",
            ),
            ("encoder.layers.4.fc2.weight", "encoder.layers.4.feed_forward.output_dense.weight"),
            ("something.new", "something.new"),
        ] {
            assert_eq!(renamed(from).as_deref(), Some(to));
        }
        assert_eq!(renamed("mask_emb"), None);
    }
}
