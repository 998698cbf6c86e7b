"""WavLM as transformers has it, beside the manifest's recipe of it: for the golden scripts, the comparisons and the training."""
import torch
from torch import nn

from . import networks

RAW = {"kind": "raw", "sample_rate_hz": 16000, "do_normalize": False, "normalize_eps": 1e-7, "window_s": 3.0}
# what the manifest takes from a configuration, under the same names
KEYS = (
    "conv_dim conv_kernel conv_stride conv_bias feat_extract_norm hidden_size num_hidden_layers num_attention_heads intermediate_size "
    "num_conv_pos_embeddings num_conv_pos_embedding_groups num_buckets max_bucket_distance do_stable_layer_norm layer_norm_eps"
).split()
# the published sizes that differ from the configuration's defaults, which are Base's
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


def representation(config):
    """The manifest's part for a transformers configuration, the mean of the last hidden state."""
    knobs = {key: getattr(config, key) for key in KEYS}
    lists = {key: list(value) for key, value in knobs.items() if key.startswith("conv_") and key != "conv_bias"}
    return {"kind": "wavlm", **knobs, **lists, "hidden_state": config.num_hidden_layers, "normalise": False}


def tensors(model):
    """The state dict under the names of the system file: weight norm's two parts have the names that they have in published files."""
    renamed = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    named = {}
    for name, value in model.state_dict().items():
        for new, old in renamed.items():
            name = name.replace(new, old)
        if name != "masked_spec_embed":  # seen in training alone
            named[f"wavlm.{name}"] = value
    return named


def features(samples, frontend):
    """What the network hears of samples: themselves, or with the mean 0 and the variance 1."""
    if not frontend["do_normalize"]:
        return samples
    return (samples - samples.mean()) / (samples.var(unbiased=False) + frontend["normalize_eps"]).sqrt()


class System(nn.Module):
    """A WavLMModel with a trunk and heads, as `system_file.write` takes it."""

    def __init__(self, model, recipe, trunk):
        super().__init__()
        self.model = model
        self.trunk = networks.Trunk(recipe["hidden_size"], trunk)
        self.heads = networks.Heads(trunk["dense"][-1])

    def state_dict(self):
        parts = {"trunk": self.trunk, "heads": self.heads}
        tops = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
        return {**tensors(self.model), **tops}


@torch.no_grad()
def steps(model, samples, hidden_state=None):
    """Every named result for samples [n], seen by hooks while the model runs; up to the hidden state of that number, or all."""
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
    seen[f"wavlm.hidden_states.{count}"] = output  # with the last norm, where the norms come before
    for i in range(last + 1, count + 1):
        del seen[f"wavlm.hidden_states.{i}"]
    seen["wavlm.mean"] = seen[f"wavlm.hidden_states.{last}"].mean(dim=0)
    return seen


def first(output):
    return output[0] if isinstance(output, tuple) else output
