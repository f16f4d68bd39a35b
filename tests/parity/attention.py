#!/usr/bin/env python3
"""Makes the fixtures of attention, positions and Transformers: attention_*, position_*, transformer_*, bert_*, t5_*.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy; python tests/parity/attention.py

The form is that of generate.py: a program, and what PyTorch or transformers compute for the same net in float64.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import transformers
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention
import generate
from generate import Case, O, f32, param, program, rng

generate.CASES.clear()
B = 3


def transposed(t):
    return t.t()


def whole(t):
    return t


def randomise(module, name, scale=0.4):
    """Weights of float32 numbers; scales of norms near 1."""
    r = rng(name)
    with torch.no_grad():
        for key, p in module.named_parameters():
            near = 1.0 if "norm" in key.lower() and key.endswith("weight") else 0.0
            p.copy_(torch.tensor(f32(near + scale * r.normal(size=p.shape))))
    return module.eval()


def linear(path, module):
    """The parameters of a Dense that stands for a Linear."""
    out = {f"{path}.weight": (module.weight, transposed)}
    if module.bias is not None:
        out[f"{path}.bias"] = module.bias
    return out


def layer_norm(path, module):
    return {f"{path}.scale": module.weight, **({f"{path}.offset": module.bias} if hasattr(module, "bias") else {})}


# ── scaled dot-product attention: q, k and v go through a matrix each, so that they have gradients ──


def sdpa(name, call, reference, heads=3, groups=3, queries=5, keys=5, width=4, value_width=4, columns=None, fields=()):
    r = rng(name)
    shapes = {"q": (heads, queries, width), "k": (groups, keys, width), "v": (groups, keys, value_width)}
    data = {n: f32(r.normal(size=(B, *s))) for n, s in shapes.items()}
    data.update(columns(r) if columns else {})
    w = {n: param(np.eye(s[-1]) + 0.3 * r.normal(size=(s[-1], s[-1]))) for n, s in shapes.items()}
    data["y"] = f32(r.normal(size=(B, heads, queries, value_width)))
    extra = "".join(f", {f}" for f in fields)
    names = "".join(f", {f.split(':')[0]}" for f in fields)
    dims = {n: ", ".join(map(str, s)) for n, s in shapes.items()}
    model = (f"model Net() {{\n  param wq: f32[{width}, {width}] = zeros\n  param wk: f32[{width}, {width}] = zeros\n"
             f"  param wv: f32[{value_width}, {value_width}] = zeros\n"
             f"  fn forward(q: f32[B, {dims['q']}], k: f32[B, {dims['k']}], v: f32[B, {dims['v']}]"
             f"{''.join(f', {signature(f)}' for f in fields)}) {{\n"
             f"    attention(q @ wq, k @ wk, v @ wv{call})\n  }}\n}}")
    source = program([*(f"{n}: f32[{d}]" for n, d in dims.items()), *fields,
                      f"y: f32[{heads}, {queries}, {value_width}]"], model, f"net(q, k, v{names})", "mse(out, y)", B,
                     args=f"q, k, v{names}")
    forward = lambda c: reference(c["q"] @ w["q"], c["k"] @ w["k"], c["v"] @ w["v"], c)
    Case(name, source, data, {f"w{n}": t for n, t in w.items()}, forward, lambda o, c: F.mse_loss(o, c["y"]))


def signature(field):
    """The declaration of a field as that of an argument over the batch."""
    name, ty = field.split(": ")
    return f"{name}: {ty.replace('[', '[B, ')}" if "[" in ty else f"{name}: {ty}[B]"


SDPA = F.scaled_dot_product_attention
sdpa("attention_plain", "", lambda q, k, v, c: SDPA(q, k, v))
sdpa("attention_widths", "", lambda q, k, v, c: SDPA(q, k, v), queries=3, keys=7, width=6, value_width=2)
sdpa("attention_scale", ", scale: 0.3", lambda q, k, v, c: SDPA(q, k, v, scale=0.3))
sdpa("attention_causal", ", causal: true", lambda q, k, v, c: SDPA(q, k, v, is_causal=True), queries=7, keys=7)
sdpa("attention_causal_mask", ", mask: causal(7)", lambda q, k, v, c: SDPA(q, k, v, is_causal=True), queries=7, keys=7)
# The last query sees all keys.
sdpa("attention_causal_longer", ", causal: true",
     lambda q, k, v, c: SDPA(q, k, v, attn_mask=torch.ones(4, 7, dtype=torch.bool).tril(3)), queries=4, keys=7)
sdpa("attention_grouped", "", lambda q, k, v, c: SDPA(q, k, v, enable_gqa=True), heads=6, groups=2)
sdpa("attention_one_group", ", causal: true", lambda q, k, v, c: SDPA(q, k, v, enable_gqa=True, is_causal=True),
     heads=3, groups=1)


def some_mask(r):
    """About half of the pairs; in the second row of the batch the third query sees nothing."""
    m = r.integers(0, 2, size=(B, 5, 5))
    m[:, :, 0] |= m.sum(-1) == 0
    m[1, 2] = 0
    return {"m": m.astype("int64")}


sdpa("attention_mask", ", mask: (m > 0)[:, _, :, :]",
     lambda q, k, v, c: SDPA(q, k, v, attn_mask=c["m"][:, None] > 0), columns=some_mask, fields=["m: i32[5, 5]"])
sdpa("attention_mask_and_causal", ", mask: (m > 0)[:, _, :, :], causal: true",
     lambda q, k, v, c: SDPA(q, k, v, attn_mask=(c["m"][:, None] > 0).tril()), columns=some_mask,
     fields=["m: i32[5, 5]"])
sdpa("attention_bias", ", bias: m", lambda q, k, v, c: SDPA(q, k, v, attn_mask=c["m"]),
     columns=lambda r: {"m": f32(r.normal(size=(B, 3, 5, 5)))}, fields=["m: f32[3, 5, 5]"])
sdpa("attention_bias_and_causal", ", bias: m, causal: true",
     lambda q, k, v, c: SDPA(q, k, v, attn_mask=c["m"].masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -np.inf)),
     columns=lambda r: {"m": f32(r.normal(size=(B, 3, 5, 5)))}, fields=["m: f32[3, 5, 5]"])

# ── MultiheadAttention ──


def mha_params(path, m):
    if m.in_proj_weight is None:
        out = {f"{path}.{n}.weight": (getattr(m, f"{n}_proj_weight"), transposed) for n in "qkv"}
    else:
        part = lambda i: lambda t: t.chunk(3)[i].t()
        out = {f"{path}.{n}.weight": (m.in_proj_weight, part(i)) for i, n in enumerate("qkv")}
    if m.in_proj_bias is not None:
        part_bias = lambda i: lambda t: t.chunk(3)[i]
        out.update({f"{path}.{n}.bias": (m.in_proj_bias, part_bias(i)) for i, n in enumerate("qkv")})
    return {**out, **linear(f"{path}.o", m.out_proj)}


def mha(name, options, call, reference, keys=None, memory=None, columns=None, fields=(), **arguments):
    r = rng(name)
    m = randomise(nn.MultiheadAttention(8, 2, batch_first=True, **arguments), name)
    data = {"x": f32(r.normal(size=(B, 5, 8)))}
    declared = ["x: f32[5, 8]", *fields]
    if memory:
        data["s"] = f32(r.normal(size=(B, keys, memory)))
        declared.insert(1, f"s: f32[{keys}, {memory}]")
    data.update(columns(r) if columns else {})
    data["y"] = f32(r.normal(size=(B, 5, 8)))
    names = ", ".join(f.split(":")[0] for f in declared)
    model = (f"model Net() {{\n  attention = MultiHeadAttention(2{options})\n"
             f"  fn forward({', '.join(map(signature, declared))}) -> f32[B, 5, 8] {{ {call} }}\n}}")
    source = program([*declared, "y: f32[5, 8]"], model, f"net({names})", "mse(out, y)", B, args=names)
    Case(name, source, data, mha_params("attention", m), lambda c: reference(m, c)[0],
         lambda o, c: F.mse_loss(o, c["y"]))


def lengths(keys):
    """A mask of the first tokens of each row."""
    return lambda r: {"m": (np.arange(keys)[None] < np.array([keys, 2, 4])[:, None]).astype("int64")}


CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)
mha("attention_multi_head", "", "attention(x)", lambda m, c: m(c["x"], c["x"], c["x"]))
mha("attention_multi_head_no_bias", ", use_bias: false", "attention(x)", lambda m, c: m(c["x"], c["x"], c["x"]), bias=False)
mha("attention_multi_head_causal", "", "attention(x, causal: true)",
    lambda m, c: m(c["x"], c["x"], c["x"], attn_mask=CAUSAL))
mha("attention_multi_head_padding", "", "attention(x, padding(m > 0))",
    lambda m, c: m(c["x"], c["x"], c["x"], key_padding_mask=c["m"] == 0), columns=lengths(5), fields=["m: i32[5]"])
mha("attention_multi_head_padding_causal", "", "attention(x, padding(m > 0), causal: true)",
    lambda m, c: m(c["x"], c["x"], c["x"], key_padding_mask=c["m"] == 0, attn_mask=CAUSAL), columns=lengths(5),
    fields=["m: i32[5]"])
mha("attention_multi_head_bias", "", "attention(x, bias: a)",
    lambda m, c: m(c["x"], c["x"], c["x"], attn_mask=c["a"].reshape(B * 2, 5, 5)),
    columns=lambda r: {"a": f32(r.normal(size=(B, 2, 5, 5)))}, fields=["a: f32[2, 5, 5]"])
mha("attention_multi_head_cross", "", "attention.cross(x, s, padding(m > 0))",
    lambda m, c: m(c["x"], c["s"], c["s"], key_padding_mask=c["m"] == 0), keys=7, memory=6, columns=lengths(7),
    fields=["m: i32[7]"], kdim=6, vdim=6)

# ── positions: added to x, before a matrix ──


def position(name, members, call, reference, params=None, shape=(6, 8)):
    r = rng(name)
    x, y = f32(r.normal(size=(B, *shape))), f32(r.normal(size=(B, *shape)))
    w = param(np.eye(shape[-1]) + 0.3 * r.normal(size=(shape[-1], shape[-1])))
    dims = ", ".join(map(str, shape))
    model = (f"model Net() {{\n  param w: f32[{shape[-1]}, {shape[-1]}] = zeros\n{members}"
             f"  fn forward(x: f32[B, {dims}]) -> f32[B, {dims}] {{ {call} }}\n}}")
    source = program([f"x: f32[{dims}]", f"y: f32[{dims}]"], model, "net(x)", "mse(out, y)", B)
    Case(name, source, {"x": x, "y": y}, {"w": w, **(params or {})}, lambda c: reference(c["x"] @ w, w),
         lambda o, c: F.mse_loss(o, c["y"]))


def sinusoidal(length, width):
    """Section 3.5 of the paper, element by element."""
    table = np.zeros((length, width))
    for pos in range(length):
        for i in range(width // 2):
            table[pos, 2 * i] = np.sin(pos / 10000 ** (2 * i / width))
            table[pos, 2 * i + 1] = np.cos(pos / 10000 ** (2 * i / width))
    return torch.tensor(table)


def llama_rotary(x):
    config = transformers.LlamaConfig(hidden_size=16, num_attention_heads=2, head_dim=8)
    rope = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
    cos, sin = rope(x, torch.arange(x.shape[2])[None])
    return apply_rotary_pos_emb(x, x, cos, sin)[0]


table = param(rng("position_learned").normal(size=(9, 8)))
position("position_sinusoidal", "  positions = SinusoidalPositions()\n", "positions(x @ w)",
         lambda x, w: x + sinusoidal(6, 8))
position("position_learned", "  positions = LearnedPositions(9)\n", "positions(x @ w)", lambda x, w: x + table[:6],
         {"positions.weight": table})
position("position_rotary", "", "rotary(x @ w, range(6))", lambda x, w: llama_rotary(x), shape=(2, 6, 8))


def slopes(heads):
    """The function of the authors' code."""
    power = lambda n: [2 ** (-8 / n * (i + 1)) for i in range(n)]
    closest = 2 ** int(np.floor(np.log2(heads)))
    return power(heads) if closest == heads else power(closest) + power(2 * closest)[0::2][: heads - closest]


def alibi(heads, length):
    at = torch.arange(length)
    return -torch.tensor(slopes(heads))[:, None, None] * (at[None] - at[:, None]).abs()


for heads in (4, 6):
    sdpa(f"position_alibi_{heads}", f", bias: alibi({heads}, range(5), range(5)), causal: true",
         lambda q, k, v, c, h=heads: SDPA(q, k, v, attn_mask=alibi(h, 5).masked_fill(CAUSAL, -np.inf)), heads=heads,
         groups=heads)


def t5_bias(name, bidirectional, buckets, furthest, length):
    """Distances beyond every bucket; the columns are only there to be added."""
    config = transformers.T5Config(d_model=8, num_heads=2, relative_attention_num_buckets=buckets,
                                   relative_attention_max_distance=furthest, is_decoder=not bidirectional)
    attention = randomise(T5Attention(config, has_relative_attention_bias=True), name)
    word = str(bidirectional).lower()
    r = rng(name)
    data = {"x": f32(r.normal(size=(2, length))), "y": f32(r.normal(size=(2,)))}
    model = (f"model Net() {{\n  positions = RelativePositions(2, bidirectional: {word}, buckets: {buckets}, "
             f"furthest: {furthest})\n"
             f"  fn forward(x: f32[B, {length}]) {{\n    let bias = positions(range({length}), range({length}))\n"
             f"    x + mean(sum(bias[0], axis: 0), axis: 0)\n  }}\n}}")
    source = program([f"x: f32[{length}]", "y: f32"], model, "net(x)", "mse(mean(out, axis: 1), y)", 2)
    Case(name, source, data, {"positions.weight": attention.relative_attention_bias.weight},
         lambda c: c["x"] + attention.compute_bias(length, length)[0].sum(0).mean(0),
         lambda o, c: F.mse_loss(o.mean(1), c["y"]), ("sgd(lr: 0.01)", lambda p: O.SGD(p, lr=0.01)))


t5_bias("position_t5_encoder", True, 32, 128, 140)
t5_bias("position_t5_decoder", False, 32, 128, 140)
t5_bias("position_t5_few_buckets", True, 16, 40, 50)

# ── layers ──


def encoder_layer(name, options, reference, params, call="net_layer(x, padding(m > 0))", causal=False):
    r = rng(name)
    data = {"x": f32(r.normal(size=(B, 5, 8))), **lengths(5)(r), "y": f32(r.normal(size=(B, 5, 8)))}
    model = (f"model Net() {{\n  block = TransformerEncoderLayer({options})\n"
             f"  fn forward(x: f32[B, 5, 8], m: i32[B, 5]) -> f32[B, 5, 8] {{ {call.replace('net_layer', 'block')} }}\n}}")
    source = program(["x: f32[5, 8]", "m: i32[5]", "y: f32[5, 8]"], model, "net(x, m)",
                     "mse(out, y, mask: m > 0)", B, args="x, m")
    loss = lambda o, c: F.mse_loss(o[c["m"] > 0], c["y"][c["m"] > 0])
    Case(name, source, data, params, reference, loss)


def torch_layer(path, m, decoder=False):
    norms = ["norm1", "norm2", "norm3"] if decoder else ["norm1", "norm2"]
    names = ["attention_norm", "cross_norm", "feed_norm"] if decoder else ["attention_norm", "feed_norm"]
    out = mha_params(f"{path}.attention", m.self_attn)
    if decoder:
        out.update(mha_params(f"{path}.cross", m.multihead_attn))
    for ours, theirs in zip(names, norms):
        out.update(layer_norm(f"{path}.{ours}", getattr(m, theirs)))
    return {**out, **linear(f"{path}.feed.up", m.linear1), **linear(f"{path}.feed.down", m.linear2)}


for pre, activation in ((False, "relu"), (True, "gelu")):
    name = f"transformer_encoder_{'pre' if pre else 'post'}"
    m = randomise(nn.TransformerEncoderLayer(8, 2, 12, 0.0, activation, batch_first=True, norm_first=pre), name)
    encoder_layer(name, f"2, 12, activation: {activation}, pre_norm: {str(pre).lower()}",
                  lambda c, m=m: m(c["x"], src_key_padding_mask=c["m"] == 0).where(c["m"][..., None] > -1, 0),
                  torch_layer("block", m))


def decoder_layer(name, pre, activation):
    r = rng(name)
    m = randomise(nn.TransformerDecoderLayer(8, 2, 12, 0.0, activation, batch_first=True, norm_first=pre), name)
    data = {"x": f32(r.normal(size=(B, 5, 8))), "s": f32(r.normal(size=(B, 7, 8))), **lengths(7)(r),
            "y": f32(r.normal(size=(B, 5, 8)))}
    model = (f"model Net() {{\n  block = TransformerDecoderLayer(2, 12, activation: {activation}, "
             f"pre_norm: {str(pre).lower()})\n  fn forward(x: f32[B, 5, 8], s: f32[B, 7, 8], m: i32[B, 7]) "
             "-> f32[B, 5, 8] { block(x, s, padding(m > 0)) }\n}")
    source = program(["x: f32[5, 8]", "s: f32[7, 8]", "m: i32[7]", "y: f32[5, 8]"], model, "net(x, s, m)",
                     "mse(out, y)", B, args="x, s, m")
    forward = lambda c: m(c["x"], c["s"], tgt_mask=CAUSAL, memory_key_padding_mask=c["m"] == 0)
    Case(name, source, data, torch_layer("block", m, True), forward, lambda o, c: F.mse_loss(o, c["y"]))


decoder_layer("transformer_decoder_post", False, "relu")
decoder_layer("transformer_decoder_pre", True, "gelu")


def llama_layer(name, base=10_000.0):
    """RMS norm, rotary positions, grouped queries, a gated feed-forward net."""
    config = transformers.LlamaConfig(hidden_size=8, intermediate_size=12, num_attention_heads=4,
                                      num_key_value_heads=2, num_hidden_layers=1, attn_implementation="sdpa",
                                      rope_parameters=dict(rope_type="default", rope_theta=base))
    m = randomise(transformers.models.llama.modeling_llama.LlamaDecoderLayer(config, 0), name)
    rope = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)

    def forward(c):
        positions = torch.arange(5)[None]
        y = m(c["x"], position_embeddings=rope(c["x"], positions), position_ids=positions,
              attention_mask=torch.zeros(5, 5).masked_fill(CAUSAL, -np.inf)[None, None])
        return y[0] if isinstance(y, tuple) else y
    a, f = m.self_attn, m.mlp
    params = {**linear("block.attention.q", a.q_proj), **linear("block.attention.k", a.k_proj),
              **linear("block.attention.v", a.v_proj), **linear("block.attention.o", a.o_proj),
              **linear("block.feed.gate", f.gate_proj), **linear("block.feed.up", f.up_proj),
              **linear("block.feed.down", f.down_proj), "block.attention_norm.scale": m.input_layernorm.weight,
              "block.feed_norm.scale": m.post_attention_layernorm.weight}
    turned = f"rotary_positions: true, rotary_base: {base}" if base != 10_000.0 else "rotary_positions: true"
    encoder_layer(name, f"4, 12, groups: 2, activation: silu, gated: true, use_bias: false, {turned}, "
                  "norm: RmsNorm, eps: 1e-6, pre_norm: true", forward, params, call="net_layer(x, causal: true)")


llama_layer("transformer_llama")
llama_layer("transformer_llama_base", base=500.0)

# ── Bert and T5, tiny ──


def stack(path, count, of):
    out = {}
    for i in range(count):
        out.update(of(f"{path}.{i}", i))
    return out


def bert(name):
    config = transformers.BertConfig(vocab_size=11, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=12, max_position_embeddings=9, layer_norm_eps=1e-12,
                                     hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    m = randomise(transformers.BertModel(config, add_pooling_layer=False), name)
    r = rng(name)
    data = {"t": r.integers(0, 11, size=(B, 5)).astype("int64"), **lengths(5)(r), "y": f32(r.normal(size=(B, 5, 8)))}

    def block(path, i):
        b = m.encoder.layer[i]
        own, out = b.attention.self, b.attention.output
        return {**linear(f"{path}.attention.q", own.query), **linear(f"{path}.attention.k", own.key),
                **linear(f"{path}.attention.v", own.value), **linear(f"{path}.attention.o", out.dense),
                **layer_norm(f"{path}.attention_norm", out.LayerNorm), **linear(f"{path}.feed.up", b.intermediate.dense),
                **linear(f"{path}.feed.down", b.output.dense), **layer_norm(f"{path}.feed_norm", b.output.LayerNorm)}
    e = m.embeddings
    params = {"bert.embeddings.token.weight": e.word_embeddings.weight,
              "bert.embeddings.position.weight": e.position_embeddings.weight,
              "bert.embeddings.kind.weight": e.token_type_embeddings.weight,
              **layer_norm("bert.embeddings.norm", e.LayerNorm), **stack("bert.encoder.layers", 2, block)}
    model = ("model Net() {\n  bert = Bert(11, width: 8, depth: 2, heads: 2, hidden: 12, positions: 9)\n"
             "  fn forward(t: i32[B, 5], m: i32[B, 5]) -> f32[B, 5, 8] { bert(t, m > 0) }\n}")
    source = program(["t: i32[5]", "m: i32[5]", "y: f32[5, 8]"], model, "net(t, m)", "mse(out, y, mask: m > 0)", B,
                     args="t, m")
    # The token that pads has a row that never learns in transformers.
    e.word_embeddings.padding_idx = None
    forward = lambda c: m(input_ids=c["t"], attention_mask=c["m"]).last_hidden_state
    Case(name, source, data, params, forward, lambda o, c: F.mse_loss(o[c["m"] > 0], c["y"][c["m"] > 0]))


bert("bert_tiny")


T5 = "T5(11, width: 8, depth: 2, heads: 2, head_width: 3, hidden: 12, buckets: 8, furthest: 20"


def t5_model(name, **arguments):
    config = transformers.T5Config(vocab_size=11, d_model=8, d_kv=3, d_ff=12, num_layers=2, num_heads=2,
                                   relative_attention_num_buckets=8, relative_attention_max_distance=20,
                                   dropout_rate=0.0, decoder_start_token_id=0, **arguments)
    m = transformers.T5ForConditionalGeneration(config)
    if not config.scale_decoder_outputs:
        # transformers 5 ties the head in any case; what tie_word_embeddings=False turns off is the scale.
        m.lm_head = nn.Linear(8, 11, bias=False)
    return m


def t5_params(m):
    """The parameters of a T5 that is the member `t5` of the model."""
    gated = m.config.is_gated_act

    def norm(path, n):
        return {f"{path}.scale": n.weight}

    def attention(path, a):
        return {k: v for n in "qkvo" for k, v in linear(f"{path}.{n}", getattr(a, n)).items()}

    def feed(path, f):
        dense = f.DenseReluDense
        names = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if gated else {"up": "wi", "down": "wo"}
        return {k: v for n, theirs in names.items() for k, v in linear(f"{path}.{n}", getattr(dense, theirs)).items()}

    def block(side):
        def of(path, i):
            parts = side.block[i].layer
            out = {**attention(f"{path}.attention", parts[0].SelfAttention), **norm(f"{path}.attention_norm", parts[0].layer_norm)}
            if side.is_decoder:
                out.update({**attention(f"{path}.cross", parts[1].EncDecAttention), **norm(f"{path}.cross_norm", parts[1].layer_norm)})
            return {**out, **feed(f"{path}.feed", parts[-1]), **norm(f"{path}.feed_norm", parts[-1].layer_norm)}
        return of
    positions = lambda side: side.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    params = {"t5.embed.weight": m.shared.weight, "t5.encoder_positions.weight": positions(m.encoder),
              "t5.decoder_positions.weight": positions(m.decoder), **stack("t5.encoder.layers", 2, block(m.encoder)),
              **stack("t5.decoder.layers", 2, block(m.decoder)), **norm("t5.encoder.final_norm", m.encoder.final_layer_norm),
              **norm("t5.decoder.final_norm", m.decoder.final_layer_norm)}
    if not m.config.scale_decoder_outputs:
        params["t5.head.weight"] = (m.lm_head.weight, transposed)
    return params


TUNING = ("adamw(lr: 0.003, decay: 0.01, decay_all: true)", lambda p: O.AdamW(p, lr=0.003, weight_decay=0.01), 20)


def t5(name, options, rounds=5, **arguments):
    m = randomise(t5_model(name, **arguments), name)
    r = rng(name)
    data = {"s": r.integers(1, 11, size=(B, 7)).astype("int64"), **lengths(7)(r),
            "t": r.integers(1, 11, size=(B, 5)).astype("int64")}
    model = ("fn gelu_tanh(x: f32[*S]) -> f32[*S] { gelu(x, approximate: true) }\n"
             f"model Net() {{\n  t5 = {T5}{options})\n  fn forward(s: i32[B, 7], m: i32[B, 7], t: i32[B, 5]) -> f32[B, 5, 11] {{\n"
             "    t5(s, m > 0, concat(zeros([B, 1], dtype: i32), t[:, :-1], axis: 1))\n  }\n}")
    source = program(["s: i32[7]", "m: i32[7]", "t: i32[5]"], model, "net(s, m, t)", "cross_entropy(out, t)", B,
                     args="s, m, t")
    forward = lambda c: m(input_ids=c["s"], attention_mask=c["m"], labels=c["t"]).logits
    Case(name, source, data, t5_params(m), forward, lambda o, c: F.cross_entropy(o.reshape(-1, 11), c["t"].reshape(-1)),
         ("sgd(lr: 0.02)", lambda p: O.SGD(p, lr=0.02)), rounds=rounds, tuning=TUNING)


t5("t5_tiny", "")
t5("t5_untied_gated", ", activation: gelu_tanh, gated: true, tied: false", feed_forward_proj="gated-gelu",
   tie_word_embeddings=False)

if __name__ == "__main__":
    generate.main(generate.CASES)
