#!/usr/bin/env python3
"""Makes tests/weights/fixtures/: small models of PyTorch and transformers as they save themselves.

Usage: pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0 numpy; python tests/weights/generate.py

t5.safetensors        T5ForConditionalGeneration, tied head, gated or not: what save_pretrained writes
bert/                 BertModel in shards with their index, and position ids as older versions saved them
bert_bf16.safetensors the same in bf16; bert_f16.safetensors in f16
gpt2.safetensors      GPT2LMHeadModel, whose Conv1D packs q, k and v along axis 1
torch.safetensors     a convolution, MultiheadAttention with its packed in_proj, BatchNorm: PyTorch's own layers
torch.json            what that model computes
tests/weights.rs loads them into programs, exports them, and compares bytes.
"""
import json, pathlib, shutil
import numpy as np
import torch
import torch.nn as nn
import transformers
from safetensors.torch import load_file, save_file

OUT = pathlib.Path(__file__).resolve().parent / "fixtures"


def tidy(folder):
    """Only weights and index."""
    for path in folder.iterdir():
        if not path.name.startswith("model"):
            path.unlink()


def shuffled(module, seed):
    """Every tensor at random, so that no two are equal by their first values."""
    g = torch.Generator().manual_seed(seed)
    seen = set()
    for t in list(module.parameters()) + [b for b in module.buffers() if b.dtype.is_floating_point]:
        if t.data_ptr() not in seen:
            seen.add(t.data_ptr())
            t.data.copy_(torch.randn(t.shape, generator=g))
    return module


def single(model, name):
    folder = OUT / "scratch"
    model.save_pretrained(folder)
    (folder / "model.safetensors").rename(OUT / name)
    shutil.rmtree(folder)


def t5():
    config = transformers.T5Config(vocab_size=11, d_model=6, d_kv=4, d_ff=10, num_layers=2, num_heads=2,
                                   decoder_start_token_id=0)
    single(shuffled(transformers.T5ForConditionalGeneration(config), 1), "t5.safetensors")


def bert():
    config = transformers.BertConfig(vocab_size=13, hidden_size=6, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=8, max_position_embeddings=5)
    model = shuffled(transformers.BertModel(config), 2)
    folder = OUT / "bert"
    model.save_pretrained(folder, max_shard_size="1KB")
    tidy(folder)
    index = folder / "model.safetensors.index.json"
    table = json.loads(index.read_text())
    shards = sorted(set(table["weight_map"].values()))
    assert len(shards) > 1
    whole = {k: v for shard in shards for k, v in load_file(folder / shard).items()}
    last = load_file(folder / shards[-1])
    last["embeddings.position_ids"] = torch.arange(5)[None]
    save_file(last, folder / shards[-1], metadata={"format": "pt"})
    table["weight_map"]["embeddings.position_ids"] = shards[-1]
    index.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    for name, dtype in [("bf16", torch.bfloat16), ("f16", torch.float16)]:
        save_file({k: v.to(dtype) for k, v in whole.items()}, OUT / f"bert_{name}.safetensors",
                  metadata={"format": "pt"})


def gpt2():
    config = transformers.GPT2Config(vocab_size=7, n_positions=5, n_embd=6, n_layer=2, n_head=2)
    single(shuffled(transformers.GPT2LMHeadModel(config), 3), "gpt2.safetensors")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (2, 3))
        self.norm = nn.BatchNorm2d(3)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 5, bias=False)

    def forward(self, image, x):
        features = self.norm(self.conv(image)).mean((2, 3))
        y, _ = self.attention(x, x, x, need_weights=False)
        return features, self.head(y.mean(1))


def own_layers():
    model = shuffled(Net(), 4).eval()
    for buffer in [model.norm.running_var]:
        buffer.abs_()
    r = np.random.default_rng(5)
    image, x = r.normal(size=(4, 5, 6, 2)).astype("float32"), r.normal(size=(4, 3, 6)).astype("float32")
    with torch.no_grad():
        features, logits = model.double()(torch.tensor(image).double().permute(0, 3, 1, 2), torch.tensor(x).double())
    model.float()
    save_file(model.state_dict(), OUT / "torch.safetensors")
    flat = lambda t: [float(v) for v in np.asarray(t).reshape(-1)]
    (OUT / "torch.json").write_text(json.dumps({
        "image": flat(image), "x": flat(x), "features": flat(features.numpy()), "logits": flat(logits.numpy()),
    }) + "\n")


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for make in [t5, bert, gpt2, own_layers]:
        make()
    for path in sorted(OUT.rglob("*.safetensors")):
        print(path.relative_to(OUT), *(f"{k}{list(v.shape)}" for k, v in load_file(path).items()))
