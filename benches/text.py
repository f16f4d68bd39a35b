"""The workloads `gpt` and `t5` of bench.py: first weights, a batch, and the same nets in PyTorch.

gpt  4 pre-norm layers of width 128 with 4 heads, exact GELU, learned positions, an untied head; 64 of 65 characters, batch 12
t5   T5-small by transformers (60.5 million parameters), source and target of 64 tokens, batch 8, no dropout
"""
import numpy as np

# name: vocabulary, batch; both read 64 tokens
SIZES = {"gpt": (65, 12), "t5": (32128, 8)}
CONTEXT = 64
GPT_WIDTH, GPT_DEPTH, GPT_HEADS = 128, 4, 4
T5_WIDTH, T5_DEPTH, T5_HIDDEN = 512, 6, 2048


def gpt_weights():
    """Name in nnc: shape and deviation (a number instead of it: that number everywhere)."""
    dense = lambda name, a, b: {f"{name}.weight": ((a, b), a ** -0.5), f"{name}.bias": ((b,), 0)}
    norm = lambda name: {f"{name}.scale": ((GPT_WIDTH,), 1), f"{name}.offset": ((GPT_WIDTH,), 0)}
    out = {"embed.weight": ((65, GPT_WIDTH), 0.5), "positions.weight": ((CONTEXT, GPT_WIDTH), 0.5)}
    for i in range(GPT_DEPTH):
        layer = f"body.layers.{i}"
        for part in "qkvo":
            out |= dense(f"{layer}.attention.{part}", GPT_WIDTH, GPT_WIDTH)
        out |= dense(f"{layer}.feed.up", GPT_WIDTH, 4 * GPT_WIDTH) | dense(f"{layer}.feed.down", 4 * GPT_WIDTH, GPT_WIDTH)
        out |= norm(f"{layer}.attention_norm") | norm(f"{layer}.feed_norm")
    return out | norm("body.final_norm") | {"head.weight": ((GPT_WIDTH, 65), GPT_WIDTH ** -0.5)}


def t5_names():
    """Name in nnc: name in transformers. Matrices are transposed, but for the embeddings."""
    out = {"embed.weight": "shared.weight"}
    for stack in ("encoder", "decoder"):
        first = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        out |= {f"{stack}_positions.weight": first, f"{stack}.final_norm.scale": f"{stack}.final_layer_norm.weight"}
        parts = [("attention", "SelfAttention"), ("cross", "EncDecAttention"), ("feed", "DenseReluDense")]
        for i in range(T5_DEPTH):
            for n, (ours, theirs) in enumerate(p for p in parts if p[0] != "cross" or stack == "decoder"):
                layer, block = f"{stack}.layers.{i}.{ours}", f"{stack}.block.{i}.layer.{n}"
                inner = {"up": "wi", "down": "wo"} if ours == "feed" else dict(zip("qkvo", "qkvo"))
                out |= {f"{layer}.{a}.weight": f"{block}.{theirs}.{b}.weight" for a, b in inner.items()}
                out[f"{layer}_norm.scale"] = f"{block}.layer_norm.weight"
    return out


def t5_weights():
    """As `gpt_weights`: the deviations that T5 begins with."""
    def of(name):
        if name.endswith("scale"):
            return (T5_WIDTH,), 1
        if name == "embed.weight":
            return (SIZES["t5"][0], T5_WIDTH), 1.0
        if name.endswith("positions.weight"):
            return (32, 8), T5_WIDTH ** -0.5
        rows, columns = {"up": (T5_WIDTH, T5_HIDDEN), "down": (T5_HIDDEN, T5_WIDTH)}.get(name.split(".")[-2], (T5_WIDTH,) * 2)
        # Scores are not scaled: queries begin smaller.
        return (rows, columns), (rows * 64 if name.endswith("q.weight") else rows) ** -0.5
    return {name: of(name) for name in t5_names()}


def start(work):
    """Weights and one batch of tokens with what is to be predicted, from a fixed seed."""
    rng = np.random.default_rng(7)
    shapes = gpt_weights() if work == "gpt" else t5_weights()
    draw = lambda shape, std: np.full(shape, std) if isinstance(std, int) else std * rng.standard_normal(shape)
    weights = {name: draw(*of).astype("float32") for name, of in shapes.items()}
    vocab, batch = SIZES[work]
    # Each token follows from the one before: as learnable as a text.
    tokens = rng.integers(2, vocab, (batch, 1)) + 7 * np.arange(CONTEXT + 1)[None] * rng.integers(1, 4, (batch, 1))
    tokens = 2 + tokens % (vocab - 2)
    return weights, tokens[:, :-1].astype("int32"), tokens[:, 1:].astype("int32")


def save(folder, work):
    """The batch as csv; the weights are returned."""
    weights, x, y = start(work)
    head = [f"{name}{i}" for name in "xy" for i in range(CONTEXT)]
    lines = [",".join(map(str, row)) for row in [head, *np.concatenate([x, y], 1).tolist()]]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return weights


def torch_loss(work):
    """The net in PyTorch, and a function that computes its loss."""
    import torch
    import torch.nn.functional as F
    weights, x, y = start(work)
    x, y = (torch.from_numpy(t.astype("int64")) for t in (x, y))
    net = {"gpt": torch_gpt, "t5": torch_t5}[work]({k: torch.from_numpy(v) for k, v in weights.items()})
    if work == "t5":
        return net, lambda: net(input_ids=x, labels=y).loss
    return net, lambda: F.cross_entropy(net(x).flatten(0, 1), y.flatten())


def torch_gpt(weights):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(GPT_WIDTH), nn.LayerNorm(GPT_WIDTH)
            self.qkv, self.out = nn.Linear(GPT_WIDTH, 3 * GPT_WIDTH), nn.Linear(GPT_WIDTH, GPT_WIDTH)
            self.up, self.down = nn.Linear(GPT_WIDTH, 4 * GPT_WIDTH), nn.Linear(4 * GPT_WIDTH, GPT_WIDTH)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, GPT_HEADS, d // GPT_HEADS).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, d))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.places = nn.Embedding(65, GPT_WIDTH), nn.Embedding(CONTEXT, GPT_WIDTH)
            self.blocks, self.norm = nn.Sequential(*[Block() for _ in range(GPT_DEPTH)]), nn.LayerNorm(GPT_WIDTH)
            self.head = nn.Linear(GPT_WIDTH, 65, bias=False)

        def forward(self, tokens):
            return self.head(self.norm(self.blocks(self.embed(tokens) + self.places.weight)))

    net, state = Net(), {"embed.weight": weights["embed.weight"], "places.weight": weights["positions.weight"]}

    def turned(w):
        return w.T if w.dim() == 2 else w

    def fill(ours, theirs):
        for a, b in (("scale", "weight"), ("offset", "bias"), ("weight", "weight"), ("bias", "bias")):
            if f"{ours}.{a}" in weights:
                state[f"{theirs}.{b}"] = turned(weights[f"{ours}.{a}"])
    for i in range(GPT_DEPTH):
        ours, theirs = f"body.layers.{i}", f"blocks.{i}"
        for a, b in (("attention_norm", "norm1"), ("feed_norm", "norm2"), ("attention.o", "out"), ("feed.up", "up"),
                     ("feed.down", "down")):
            fill(f"{ours}.{a}", f"{theirs}.{b}")
        for part in ("weight", "bias"):
            state[f"{theirs}.qkv.{part}"] = torch.cat([turned(weights[f"{ours}.attention.{n}.{part}"]) for n in "qkv"])
    fill("body.final_norm", "norm")
    fill("head", "head")
    net.load_state_dict(state)
    return net


def torch_t5(weights):
    import torch
    from transformers import T5Config, T5ForConditionalGeneration
    net = T5ForConditionalGeneration(T5Config(
        vocab_size=SIZES["t5"][0], d_model=T5_WIDTH, d_kv=64, d_ff=T5_HIDDEN, num_layers=T5_DEPTH, num_heads=8,
        dropout_rate=0.0, decoder_start_token_id=0))
    params = dict(net.named_parameters())
    with torch.no_grad():
        for ours, theirs in t5_names().items():
            turned = weights[ours].dim() == 2 and ours != "embed.weight" and not ours.endswith("positions.weight")
            params[theirs].copy_(weights[ours].T if turned else weights[ours])
    return net.train()
