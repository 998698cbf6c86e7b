"""Golden data for WavLM: what Hugging Face's transformers computes from seeded weights, on the CPU in f32.

    python tools/golden_wavlm.py            # tests/golden/tiny-wavlm-{base,large}.safetensors and …-outputs.safetensors, tests/golden/import/wavlm/…

Two small systems of the two published kinds: Base (group norm, norms after each part, samples as they are) and Large (layer norm, norms before each
part, samples normalised). `tests/golden_networks.rs` reads them. The same two as a user would have them, for `tests/import_wavlm.rs`: as transformers
saves them, with either kind of weights, the large one inside a fine-tuned network; and in the layout of WavLM's own release. Needs
`pip install transformers`.
"""
import re

import torch
import transformers

import golden_networks
from persona import networks, system_file, wavlm

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
    "large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True, "num_conv_pos_embeddings": 7},
}
FRAMES = 45  # farther than `max_bucket_distance`


def model_of(kind, seed, **sizes):
    """A WavLMModel of one kind with seeded weights. transformers' own start is so small that a wrong bias or gate would hardly show."""
    torch.manual_seed(seed)
    model = transformers.WavLMModel(transformers.WavLMConfig(**{**sizes, **KINDS[kind]})).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if value.dim() == 1:
            value.copy_(0.2 * noise + (name.endswith("norm.weight")))
        elif name.endswith("rel_attn_embed.weight"):
            value.copy_(noise)
        elif name.endswith("original0"):  # the length of each tap of the position embedding
            value.copy_(0.5 + noise.abs())
        elif name.endswith("gru_rel_pos_const"):
            value.copy_(1 + noise)
        else:
            value.copy_(noise / value[0].numel() ** 0.5)
    return model


def signal(samples, generator):
    """Noise of a changing level around an offset: what a norm has to take off."""
    level = 0.02 + 0.1 * torch.sin(torch.arange(samples) / 700).abs()
    return 0.01 + level * torch.randn(samples, generator=generator)


def write(kind, seed):
    name = f"tiny-wavlm-{kind}"
    generator = torch.Generator().manual_seed(seed)
    model = model_of(kind, seed, **SMALL)
    frontend = {**wavlm.RAW, "do_normalize": kind == "large"}
    recipe = {**wavlm.representation(model.config), "hidden_state": 3 if kind == "base" else 2, "normalise": False}
    small = {**networks.FCN, "dense": [9, 7]}
    manifest = golden_networks.invented_manifest(name, frontend, recipe, small)
    system = wavlm.System(model, recipe, small)
    for part in (system.trunk, system.heads):
        golden_networks.randomise(part, generator)
    path = golden_networks.GOLDEN / f"{name}.safetensors"
    system_file.write(path, system, manifest, dtype=torch.float32)
    print(f"{path}: {path.stat().st_size} bytes")
    samples = signal((FRAMES - 1) * 320 + 400 + 77, generator)
    features = wavlm.features(samples, frontend)
    seen = {"features": features[:, None], **wavlm.steps(model, features, recipe["hidden_state"])}
    x = seen["wavlm.mean"][None]
    for i, dense in enumerate(system.trunk.dense):
        x = torch.relu(dense(x))
        seen[f"trunk.dense.{i}"] = x[0]
    answers = system.heads(x)
    seen["heads.emotion"], seen["heads.gender"], seen["heads.age"] = answers["emotion"][0], answers["gender"][0], answers["age"]
    # what the first convolutions give is long; the others show whether it was right
    kept = {name: value for name, value in seen.items() if not name.endswith(tuple(f"conv_layers.{i}" for i in range(4)))}
    signature = {"sha256": system_file.manifest_of(path)["sha256"], "transformers": transformers.__version__}
    golden_networks.save(golden_networks.GOLDEN / f"{name}-outputs.safetensors", kept, signature)
    return model


# -- the files of others ---------------------------------------------------------------------------------------------


def published(kind, model):
    """As transformers saves it. The large one is inside a network that was fine-tuned to tell two classes."""
    folder = golden_networks.GOLDEN / "import" / "wavlm" / kind
    if kind == "large":
        tuned = transformers.WavLMForSequenceClassification(model.config).eval()
        tuned.wavlm.load_state_dict(model.state_dict())
        tuned.save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    else:
        model.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


# names of the release's code (`unilm/wavlm/WavLM.py`) for those of transformers, the first that fits
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
    layers = " + ".join(f"[({d}, {k}, {s})]" for d, k, s in zip(config.conv_dim, config.conv_kernel, config.conv_stride))
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
    torch.save({"cfg": cfg, "model": state}, golden_networks.GOLDEN / "import" / "wavlm" / f"WavLM-{kind}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        for seed, kind in enumerate(KINDS, start=20):
            model = write(kind, seed)
            published(kind, model)
            released(kind, model)
