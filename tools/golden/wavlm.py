#!/usr/bin/env python3
"""Golden values of WavLM: outputs of Hugging Face's transformers for seeded weights, on the CPU in
f32.

    python tools/golden/wavlm.py        writes tests/golden/tiny-wavlm-{base,large}.safetensors,
                                        …-outputs.safetensors and tests/golden/import/wavlm/…

Two small models of the two published kinds: Base (group norm, post-norm layers, unchanged samples)
and Large (layer norm, pre-norm layers, normalised samples). `tests/golden_networks.rs` reads them.
`tests/import_wavlm.rs` reads the same two in the formats that users have: as transformers saves
them, with either kind of weights, the large one inside a fine-tuned network, and in the layout of
WavLM's own release. Needs tools/requirements.lock.
"""

import re

import torch
import transformers

from persona import golden, model_file, networks, wavlm

MADE_BY = "tools/golden/wavlm.py"

SMALL = {
    "conv_dim": [12, 12, 12, 12, 12, 12, 12],
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 36,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "num_buckets": 20,
    "max_bucket_distance": 30,
}
KINDS = {
    "base": {},
    "large": {
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
        "num_conv_pos_embeddings": 7,
    },
}
FRAMES = 45  # more than `max_bucket_distance`


def model_of(kind, seed, **sizes):
    """A WavLMModel of one kind with seeded weights. transformers' own initialisation is so small
    that a wrong bias or gate would hardly show."""
    torch.manual_seed(seed)
    model = transformers.WavLMModel(transformers.WavLMConfig(**{**sizes, **KINDS[kind]})).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if value.dim() == 1:
            value.copy_(0.2 * noise + (name.endswith("norm.weight")))
        elif name.endswith("rel_attn_embed.weight"):
            value.copy_(noise)
        elif name.endswith("original0"):  # the norm of each tap of the position embedding
            value.copy_(0.5 + noise.abs())
        elif name.endswith("gru_rel_pos_const"):
            value.copy_(1 + noise)
        else:
            value.copy_(noise / value[0].numel() ** 0.5)
    return model


def signal(samples, generator):
    """Noise of a changing level with an offset, which a norm has to remove."""
    level = 0.02 + 0.1 * torch.sin(torch.arange(samples) / 700).abs()
    return 0.01 + level * torch.randn(samples, generator=generator)


def write(kind, seed):
    name = f"tiny-wavlm-{kind}"
    generator = torch.Generator().manual_seed(seed)
    model = model_of(kind, seed, **SMALL)
    frontend = {**wavlm.RAW, "do_normalize": kind == "large"}
    recipe = {
        **wavlm.representation(model.config),
        "hidden_state": 3 if kind == "base" else 2,
        "normalise": False,
    }
    small = {**networks.FCN, "dense": [9, 7]}
    manifest = golden.random_weights_manifest(name, MADE_BY, frontend, recipe, small)
    whole = wavlm.WavLmWithHeads(model, recipe, small)
    for part in (whole.trunk, whole.heads):
        golden.randomise(part, generator)
    path = golden.FOLDER / f"{name}.safetensors"
    model_file.write(path, whole, manifest, dtype=torch.float32)
    print(f"{path}: {path.stat().st_size} bytes")
    samples = signal((FRAMES - 1) * 320 + 400 + 77, generator)
    features = wavlm.features(samples, frontend)
    seen = {
        "features": features[:, None],
        **wavlm.intermediates(model, features, recipe["hidden_state"]),
    }
    x = seen["wavlm.mean"][None]
    for i, dense in enumerate(whole.trunk.dense):
        x = torch.relu(dense(x))
        seen[f"trunk.dense.{i}"] = x[0]
    outputs = whole.heads(x)
    seen["heads.emotion"], seen["heads.gender"] = outputs["emotion"][0], outputs["gender"][0]
    seen["heads.age"] = outputs["age"]
    # the first convolutions' outputs are large; the later ones depend on all of them
    kept = {
        name: value
        for name, value in seen.items()
        if not name.endswith(tuple(f"conv_layers.{i}" for i in range(4)))
    }
    signature = {
        "sha256": model_file.manifest_of(path)["sha256"],
        "transformers": transformers.__version__,
    }
    golden.save(golden.FOLDER / f"{name}-outputs.safetensors", kept, MADE_BY, **signature)
    return model


# -- files in other formats ------------------------------------------------------------------------


def published(kind, model):
    """Saves it with transformers, the large one inside a fine-tuned classifier of two classes."""
    folder = golden.FOLDER / "import" / "wavlm" / kind
    if kind == "large":
        tuned = transformers.WavLMForSequenceClassification(model.config).eval()
        tuned.wavlm.load_state_dict(model.state_dict())
        tuned.save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    else:
        model.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


# transformers' names → those of the release's code (`unilm/wavlm/WavLM.py`); first match applies
RELEASED = [
    (r"^feature_extractor\.conv_layers\.(\d+)\.conv\.", r"feature_extractor.conv_layers.\1.0."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^encoder\.pos_conv_embed\.conv\.", "encoder.pos_conv.0."),
    (r"\.attention\.gru_rel_pos_linear\.", ".self_attn.grep_linear."),
    (r"\.attention\.gru_rel_pos_const$", ".self_attn.grep_a"),
    (r"\.attention\.rel_attn_embed\.", ".self_attn.relative_attention_bias."),
    (r"\.attention\.", ".self_attn."),
    (r"(layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"\.feed_forward\.intermediate_dense\.", ".fc1."),
    (r"\.feed_forward\.output_dense\.", ".fc2."),
]


def released_name(name, kind):
    name = name.removeprefix("wavlm.")
    norm = r"feature_extractor.conv_layers.\1.2." + ("1." if kind == "large" else "")
    for pattern, to in [(r"^feature_extractor\.conv_layers\.(\d+)\.layer_norm\.", norm), *RELEASED]:
        if re.search(pattern, name):
            return re.sub(pattern, to, name)
    return name


def released(kind, model):
    config = model.config
    layers = " + ".join(
        f"[({d}, {k}, {s})]"
        for d, k, s in zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=False)
    )
    cfg = {
        "extractor_mode": "layer_norm" if config.feat_extract_norm == "layer" else "default",
        "encoder_layers": config.num_hidden_layers,
        "encoder_embed_dim": config.hidden_size,
        "encoder_ffn_embed_dim": config.intermediate_size,
        "encoder_attention_heads": config.num_attention_heads,
        "activation_fn": "gelu",
        "layer_norm_first": config.do_stable_layer_norm,
        "conv_feature_layers": layers,
        "conv_bias": config.conv_bias,
        "feature_grad_mult": 0.1,
        "normalize": kind == "large",
        "dropout": 0.1,
        "encoder_layerdrop": 0.05,
        "mask_prob": 0.8,
        "conv_pos": config.num_conv_pos_embeddings,
        "conv_pos_groups": config.num_conv_pos_embedding_groups,
        "relative_position_embedding": True,
        "num_buckets": config.num_buckets,
        "max_distance": config.max_bucket_distance,
        "gru_rel_pos": True,
    }
    state = {released_name(name, kind): value for name, value in wavlm.tensors(model).items()}
    state["mask_emb"] = torch.zeros(config.hidden_size)
    torch.save(
        {"cfg": cfg, "model": state}, golden.FOLDER / "import" / "wavlm" / f"WavLM-{kind}.pt"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        for seed, kind in enumerate(KINDS, start=20):
            model = write(kind, seed)
            published(kind, model)
            released(kind, model)
