//! Configuration of WavLM by Hugging Face's transformers: `config.json` and
//! `preprocessor_config.json`.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use crate::error::Result;

/// Keys of training, of heads and of execution, which do not change hidden states.
const IGNORED: &[&str] = &[
    "_*",
    "activation_dropout",
    "adapter_attn_dim",
    "adapter_kernel_size",
    "adapter_stride",
    "apply_spec_augment",
    "architectures",
    "attention_dropout",
    "attn_implementation",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_proj_size",
    "codevector_dim",
    "contrastive_logits_temperature",
    "ctc_*",
    "diversity_loss_weight",
    "dtype",
    "eos_token_id",
    "feat_proj_dropout",
    "feat_quantizer_dropout",
    "final_dropout",
    "finetuning_task",
    "freeze_feat_extract_train",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "layerdrop",
    "mask_*",
    "no_mask_*",
    "num_adapter_layers",
    "num_codevector*",
    "num_ctc_classes",
    "num_feat_extract_layers",
    "num_negatives",
    "output_attentions",
    "output_hidden_size",
    "output_hidden_states",
    "pad_token_id",
    "problem_type",
    "proj_codevector_dim",
    "replace_prob",
    "return_dict",
    "tdnn_*",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "use_weighted_layer_sum",
    "vocab_size",
    "xvector_output_dim",
];

/// The manifest's `representation`. Missing keys have the defaults of transformers, which are those
/// of WavLM Base.
pub(super) fn representation(config: Map<String, Value>) -> Result<Value> {
    let mut keys = Keys::new("config.json", config);
    keys.fixed("model_type", "wavlm")?;
    keys.fixed("hidden_act", "gelu")?;
    keys.fixed("feat_extract_activation", "gelu")?;
    keys.fixed("add_adapter", false)?;
    let layers = keys.count("num_hidden_layers", 12)?;
    let recipe = json!({
        "kind": "wavlm",
        "conv_dim": keys.take("conv_dim", vec![512; 7]),
        "conv_kernel": keys.take("conv_kernel", vec![10, 3, 3, 3, 3, 2, 2]),
        "conv_stride": keys.take("conv_stride", vec![5, 2, 2, 2, 2, 2, 2]),
        "conv_bias": keys.take("conv_bias", false),
        "feat_extract_norm": keys.take("feat_extract_norm", "group"),
        "hidden_size": keys.take("hidden_size", 768),
        "hidden_state": layers,
        "num_hidden_layers": layers,
        "num_attention_heads": keys.take("num_attention_heads", 12),
        "intermediate_size": keys.take("intermediate_size", 3072),
        "num_conv_pos_embeddings": keys.take("num_conv_pos_embeddings", 128),
        "num_conv_pos_embedding_groups": keys.take("num_conv_pos_embedding_groups", 16),
        "num_buckets": keys.take("num_buckets", 320),
        "max_bucket_distance": keys.take("max_bucket_distance", 800),
        "do_stable_layer_norm": keys.take("do_stable_layer_norm", false),
        "layer_norm_eps": keys.take("layer_norm_eps", 1e-5),
        "normalise": false,
    });
    keys.finish(IGNORED)?;
    Ok(recipe)
}

/// The manifest's `frontend`. Without a `preprocessor_config.json` samples are normalised if the
/// encoder's norm is `layer`, as in the training of the published networks.
pub(super) fn frontend(preprocessor: Option<Map<String, Value>>, representation: &Value) -> Result<Value> {
    let by_norm = representation["feat_extract_norm"] == "layer";
    let mut keys = Keys::new("preprocessor_config.json", preprocessor.unwrap_or_default());
    keys.fixed("feature_size", 1)?;
    let recipe = raw(&keys.take("do_normalize", by_norm), 1e-7, &keys.take("sampling_rate", 16_000));
    keys.finish(&["_*", "feature_extractor_type", "padding_*", "processor_class", "return_attention_mask"])?;
    Ok(recipe)
}

/// A front-end that passes samples on, in chunks of 10 s; the network was trained on up to 15.6 s.
pub(super) fn raw(do_normalize: &Value, normalize_eps: f64, sample_rate_hz: &Value) -> Value {
    json!({
        "kind": "raw",
        "sample_rate_hz": sample_rate_hz,
        "do_normalize": do_normalize,
        "normalize_eps": normalize_eps,
        "window_s": 10.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("{value}") };
        object
    }

    #[test]
    fn missing_keys_have_the_values_of_base() {
        let recipe =
            representation(object(json!({"model_type": "wavlm", "mask_time_prob": 0.05, "layerdrop": 0.1}))).unwrap();
        assert_eq!((&recipe["hidden_size"], &recipe["hidden_state"]), (&json!(768), &json!(12)));
        assert_eq!(frontend(None, &recipe).unwrap()["do_normalize"], json!(false));
        let large = representation(object(json!({"feat_extract_norm": "layer", "num_hidden_layers": 24}))).unwrap();
        assert_eq!(large["hidden_state"], json!(24));
        assert_eq!(frontend(None, &large).unwrap()["do_normalize"], json!(true));
        let stated = frontend(Some(object(json!({"do_normalize": false, "padding_value": 0.0}))), &large).unwrap();
        assert_eq!(stated["do_normalize"], json!(false));
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name() {
        for (key, value) in [
            ("model_type", json!("wav2vec2")),
            ("hidden_act", json!("relu")),
            ("feat_extract_activation", json!("swish")),
            ("add_adapter", json!(true)),
            ("position_embeddings_type", json!("rotary")),
            ("num_buckets_far", json!(8)),
        ] {
            let message = representation(object(json!({key: value}))).unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}`")) && message.contains("config.json"), "{message}");
        }
        let message = frontend(Some(object(json!({"feature_size": 80}))), &Value::Null).unwrap_err().to_string();
        assert!(message.contains("`feature_size`") && message.contains("preprocessor_config.json"), "{message}");
        let message = frontend(Some(object(json!({"n_mels": 80}))), &Value::Null).unwrap_err().to_string();
        assert!(message.contains("`n_mels`"), "{message}");
    }
}
