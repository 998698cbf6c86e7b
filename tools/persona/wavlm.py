"""WavLM in transformers: the manifest's representation, tensor names, and seeded weights, for
golden values, checks and benchmarks."""

import torch
from torch import nn

from . import networks

RAW = {
    "kind": "raw",
    "sample_rate_hz": 16000,
    "do_normalize": False,
    "normalize_eps": 1e-7,
    "window_s": 3.0,
}
# what the manifest takes from a configuration, under the same names
KEYS = [
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "conv_bias",
    "feat_extract_norm",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "num_buckets",
    "max_bucket_distance",
    "do_stable_layer_norm",
    "layer_norm_eps",
]
# the published sizes that differ from the configuration's defaults, which are Base's
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
SIZES = {"base": {}, "large": LARGE}


def representation(config):
    """The manifest's `representation` for a transformers configuration: the mean of the last hidden
    state."""
    options = {key: getattr(config, key) for key in KEYS}
    for key, value in options.items():
        if key.startswith("conv_") and key != "conv_bias":
            options[key] = list(value)
    last = config.num_hidden_layers
    return {"kind": "wavlm", **options, "hidden_state": last, "normalise": False}


def tensors(model):
    """The state dict under the names of the model file: the two parts of weight norm have the names
    that they have in published files."""
    renamed = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    named = {}
    for name, value in model.state_dict().items():
        for new, old in renamed.items():
            name = name.replace(new, old)
        if name != "masked_spec_embed":  # used in training alone
            named[f"wavlm.{name}"] = value
    return named


def features(samples, frontend):
    """The network's input for samples: unchanged, or with mean 0 and variance 1."""
    if not frontend["do_normalize"]:
        return samples
    deviation = (samples.var(unbiased=False) + frontend["normalize_eps"]).sqrt()
    return (samples - samples.mean()) / deviation


class WavLmWithHeads(nn.Module):
    """A WavLMModel with a trunk and heads, for `model_file.write`."""

    def __init__(self, model, representation, trunk):
        super().__init__()
        self.model = model
        self.trunk = networks.Trunk(representation["hidden_size"], trunk)
        self.heads = networks.Heads(trunk["dense"][-1])

    def state_dict(self):
        top = {}
        for part, module in {"trunk": self.trunk, "heads": self.heads}.items():
            for name, value in module.state_dict().items():
                top[f"{part}.{name}"] = value
        return {**tensors(self.model), **top}


@torch.no_grad()
def intermediates(model, samples, hidden_state=None):
    """Every named activation for samples [n], recorded by hooks, up to the hidden state of that
    number or to the last."""
    seen, hooks = {}, []
    count = len(model.encoder.layers)
    last = count if hidden_state is None else hidden_state

    def see(name, module, of=lambda inputs, output: output):
        def hook(_, args, kwargs, output):
            seen[name] = of(args or tuple(kwargs.values()), output)

        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    for i, layer in enumerate(model.feature_extractor.conv_layers):
        see(f"wavlm.feature_extractor.conv_layers.{i}", layer, lambda _, y: y[0].T)
    see("wavlm.feature_projection", model.feature_projection, lambda _, y: y[0][0])
    for i, layer in enumerate(model.encoder.layers):
        if i == 0:
            see("wavlm.hidden_states.0", layer, lambda inputs, _: inputs[0][0].clone())
        see(f"wavlm.hidden_states.{i + 1}", layer, lambda _, y: first(y)[0])
    output = model(samples[None]).last_hidden_state[0]
    for hook in hooks:
        hook.remove()
    # includes the last norm in the variant whose norms precede the layers
    seen[f"wavlm.hidden_states.{count}"] = output
    for i in range(last + 1, count + 1):
        del seen[f"wavlm.hidden_states.{i}"]
    seen["wavlm.mean"] = seen[f"wavlm.hidden_states.{last}"].mean(dim=0)
    return seen


def first(output):
    return output[0] if isinstance(output, tuple) else output


@torch.no_grad()
def seeded(size):
    """A WavLMModel of a published size with seeded random weights: transformers' initialisation,
    except where its values would hide an error."""
    import transformers

    torch.manual_seed(1)
    model = transformers.WavLMModel(transformers.WavLMConfig(**SIZES[size])).eval()
    generator = torch.Generator().manual_seed(1)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith(("rel_attn_embed.weight", "gru_rel_pos_const", "original0")):
            value.copy_(1 + noise)
        elif name.endswith("norm.weight"):
            value.copy_(1 + 0.2 * noise)
        elif value.dim() == 1:
            value.copy_(0.1 * noise)
        elif "attention" in name or "feed_forward" in name:
            value.copy_(noise / value[0].numel() ** 0.5)
    return model
