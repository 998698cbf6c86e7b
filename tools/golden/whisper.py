#!/usr/bin/env python3
"""Golden values of Whisper: outputs of Hugging Face's transformers for seeded weights, on the CPU in
f32.

    python tools/golden/whisper.py      writes tests/golden/whisper.safetensors,
                                        tiny-whisper.safetensors, tiny-whisper-outputs.safetensors
                                        and tests/golden/import/whisper/…

`whisper.safetensors` has `samples` [n] and their `logmel` [frames, 80] by `WhisperFeatureExtractor`
without padding. `tiny-whisper` is a small encoder with random trunk and heads, read by
`tests/golden_networks.rs`; its states are those of `WhisperEncoder`. `tests/import_whisper.rs`
reads the same encoder in the formats that users have: as transformers saves a whole Whisper, with
either kind of weights, in the layout of OpenAI's release, and as CTranslate2 stores it (version 6,
float16; the weights are multiples of f16, so all files give the same network).
Needs tools/requirements.lock.
"""

import struct

import numpy as np
import torch
import transformers

from persona import golden, model_file, networks, whisper
from persona.synthetic_audio import speech_like

MADE_BY = "tools/golden/whisper.py"
FRAMES = 76
SMALL = {
    "d_model": 24,
    "encoder_layers": 3,
    "encoder_attention_heads": 3,
    "encoder_ffn_dim": 36,
    "decoder_layers": 1,
    "decoder_attention_heads": 3,
    "decoder_ffn_dim": 36,
    "vocab_size": 32,
    "max_source_positions": FRAMES // 2,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
RECIPE = {
    **whisper.BASE,
    "width": 24,
    "heads": 3,
    "feed_forward": 36,
    "layers": 3,
    "states": [1, 2, 3],
}


def seeded():
    """A WhisperForConditionalGeneration with seeded weights that f16 holds exactly."""
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**SMALL)).eval()
    generator = torch.Generator().manual_seed(40)
    for name, value in model.named_parameters():
        if "embed_positions" in name and "encoder" in name:
            continue
        noise = torch.randn(value.shape, generator=generator)
        if value.dim() == 1:
            value.copy_((0.2 * noise + name.endswith("norm.weight")).half())
        else:
            value.copy_((noise / value[0].numel() ** 0.5).half())
    return model


def outputs(encoder, features):
    """States of transformers' encoder for features [frames, mels]; hooks record the convolutions."""
    seen = {}

    def hook(name):
        return lambda _module, _inputs, output: seen.__setitem__(name, output)

    hooks = [encoder.conv1.register_forward_hook(hook("conv1"))]
    hooks.append(encoder.conv2.register_forward_hook(hook("conv2")))
    states = encoder(features.T[None], output_hidden_states=True)
    for one in hooks:
        one.remove()
    gelu = torch.nn.functional.gelu
    kept = {f"whisper.{name}": gelu(value)[0].T for name, value in seen.items()}
    hidden = [state[0] for state in states.hidden_states[:-1]] + [states.last_hidden_state[0]]
    for k, state in enumerate(hidden):
        kept[f"whisper.states.{k}"] = state
    for k in RECIPE["states"]:
        kept[f"whisper.mean.{k}"] = hidden[k].mean(0)
    kept["whisper.pooled"] = torch.cat([hidden[k].mean(0) for k in RECIPE["states"]])
    return kept


def write(model):
    encoder, generator = model.model.encoder, torch.Generator().manual_seed(41)
    own = whisper.load_transformers(whisper.Whisper(80, RECIPE), encoder.state_dict())
    trunk = {**networks.FCN, "dense": [9, 7]}
    whole = whisper.WhisperWithHeads(own, trunk)
    for part in (whole.trunk, whole.heads):
        golden.randomise(part, generator)
    path = golden.FOLDER / "tiny-whisper.safetensors"
    manifest = golden.random_weights_manifest(
        path.stem, MADE_BY, whisper.LOGMEL, RECIPE, trunk
    )
    model_file.write(path, whole, manifest, dtype=torch.float32)
    print(f"{path}: {path.stat().st_size} bytes")
    features = torch.randn(FRAMES, 80, generator=generator).clamp(-1.5, 1.5)
    seen = {"features": features, **outputs(encoder, features)}
    difference = (own(features[None])[0] - seen["whisper.pooled"]).abs().max()
    assert difference < 1e-4, f"persona/whisper.py differs from transformers by {difference}"
    x = seen["whisper.pooled"][None]
    for i, dense in enumerate(whole.trunk.dense):
        x = torch.relu(dense(x))
        seen[f"trunk.dense.{i}"] = x[0]
    heads = whole.heads(x)
    seen["heads.emotion"], seen["heads.gender"] = heads["emotion"][0], heads["gender"][0]
    seen["heads.age"] = heads["age"]
    signature = {
        "sha256": model_file.manifest_of(path)["sha256"],
        "transformers": transformers.__version__,
    }
    golden.save(golden.FOLDER / "tiny-whisper-outputs.safetensors", seen, MADE_BY, **signature)


def write_logmel():
    samples = speech_like().astype(np.float32)[:8077]
    extractor = transformers.WhisperFeatureExtractor()
    theirs = extractor(samples, sampling_rate=16000, padding=False, return_tensors="pt")
    theirs = theirs.input_features[0].T
    ours = whisper.logmel(torch.from_numpy(samples))
    difference = (theirs - ours).abs().max()
    assert theirs.shape == ours.shape and difference < 1e-4, f"logmel differs by {difference}"
    tensors = {"samples": torch.from_numpy(samples), "logmel": theirs}
    golden.save(golden.FOLDER / "whisper.safetensors", tensors, MADE_BY)


# -- files in other formats ------------------------------------------------------------------------

OPENAI = {
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "final_layer_norm": "mlp_ln",
}


def openai_name(name):
    parts = name.split(".")
    if parts[0] == "layers":
        middle = OPENAI[".".join(parts[2:-1])]
        return f"encoder.blocks.{parts[1]}.{middle}.{parts[-1]}"
    name = name.replace("layer_norm", "ln_post")
    return "encoder." + name.replace("embed_positions.weight", "positional_embedding")


def write_openai(encoder, path):
    state = {openai_name(name): value.half() for name, value in encoder.state_dict().items()}
    state["decoder.ln.weight"] = torch.ones(24).half()
    dims = {
        "n_mels": 80,
        "n_vocab": 32,
        "n_audio_ctx": SMALL["max_source_positions"],
        "n_audio_state": 24,
        "n_audio_head": 3,
        "n_audio_layer": 3,
        "n_text_ctx": 8,
        "n_text_state": 24,
        "n_text_head": 3,
        "n_text_layer": 1,
    }
    torch.save({"dims": dims, "model_state_dict": state}, path)


def ctranslate2_variables(encoder):
    """(name, array) in CTranslate2's names: q, k and v in one layer, whose k has a bias of 0."""
    state = {name: value.half().numpy() for name, value in encoder.state_dict().items()}
    yield "encoder/conv1/weight", state["conv1.weight"]
    yield "encoder/conv1/bias", state["conv1.bias"]
    yield "encoder/conv2/weight", state["conv2.weight"]
    yield "encoder/conv2/bias", state["conv2.bias"]
    yield "encoder/position_encodings/encodings", state["embed_positions.weight"]
    yield "encoder/num_heads", np.array(3, dtype=np.int16)
    yield "encoder/layer_norm/gamma", state["layer_norm.weight"]
    yield "encoder/layer_norm/beta", state["layer_norm.bias"]
    for i in range(3):
        to, own = f"encoder/layer_{i}", {
            name.removeprefix(f"layers.{i}."): value
            for name, value in state.items()
            if name.startswith(f"layers.{i}.")
        }
        qkv = [own[f"self_attn.{p}_proj.weight"] for p in "qkv"]
        zeros = np.zeros(24, dtype=np.float16)
        biases = [own.get(f"self_attn.{p}_proj.bias", zeros) for p in "qkv"]
        yield f"{to}/self_attention/linear_0/weight", np.concatenate(qkv)
        yield f"{to}/self_attention/linear_0/bias", np.concatenate(biases)
        yield f"{to}/self_attention/linear_1/weight", own["self_attn.out_proj.weight"]
        yield f"{to}/self_attention/linear_1/bias", own["self_attn.out_proj.bias"]
        yield f"{to}/self_attention/layer_norm/gamma", own["self_attn_layer_norm.weight"]
        yield f"{to}/self_attention/layer_norm/beta", own["self_attn_layer_norm.bias"]
        yield f"{to}/ffn/linear_0/weight", own["fc1.weight"]
        yield f"{to}/ffn/linear_0/bias", own["fc1.bias"]
        yield f"{to}/ffn/linear_1/weight", own["fc2.weight"]
        yield f"{to}/ffn/linear_1/bias", own["fc2.bias"]
        yield f"{to}/ffn/layer_norm/gamma", own["final_layer_norm.weight"]
        yield f"{to}/ffn/layer_norm/beta", own["final_layer_norm.bias"]
    yield "decoder/num_heads", np.array(3, dtype=np.int16)
    yield "decoder/embeddings/weight", np.zeros((32, 24), dtype=np.float16)


def write_ctranslate2(encoder, path):
    def text(value):
        value = value.encode() + b"\0"
        return struct.pack("<H", len(value)) + value

    variables = sorted(ctranslate2_variables(encoder))
    kinds = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, value in variables:
        data += text(name) + struct.pack("<B", value.ndim)
        data += struct.pack(f"<{value.ndim}I", *value.shape)
        data += struct.pack("<BI", kinds[value.dtype.name], value.nbytes) + value.tobytes()
    data += struct.pack("<I", 1) + text("decoder/projection/weight")
    path.write_bytes(data + text("decoder/embeddings/weight"))


def published(model):
    folder = golden.FOLDER / "import" / "whisper"
    model.save_pretrained(folder)
    for stray in folder.glob("generation_config.json"):
        stray.unlink()
    torch.save(model.model.state_dict(), folder / "pytorch_model.bin")
    write_openai(model.model.encoder, folder / "tiny.pt")
    write_ctranslate2(model.model.encoder, folder / "model.bin")
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        write_logmel()
        tiny = seeded()
        write(tiny)
        published(tiny)
