#!/usr/bin/env python3
"""Makes the fixtures of generation: generate_*.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy; python tests/parity/generation.py

Models under transformers' `generate`: what greedy and beam search give, token by token. One is a GRU, one a GPT-2, one a
T5. The form is that of generate.py; the output is the tokens, and the loss that of the model on the prompts.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from transformers import GPT2Config, GPT2LMHeadModel
import attention
import generate
from attention import T5, layer_norm, lengths, linear, stack, t5_model, t5_params
from generate import Case, f32, program, rng

generate.CASES.clear()
B, P, V, H, LIMIT = 4, 3, 7, 5, 8
END, PAD = 1, 0


class Config(PretrainedConfig):
    model_type = "gru-lm"


class Gru(PreTrainedModel, GenerationMixin):
    config_class = Config

    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(V, H)
        self.rnn = nn.GRU(H, H, batch_first=True)
        self.head = nn.Linear(H, V)
        self.post_init()

    def scores(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])

    def forward(self, input_ids, **_):
        return CausalLMOutput(logits=self.scores(input_ids))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}


MODEL = """model Net() {
  embed = Embedding(%d, %d)
  rnn = Gru(%d)
  head = Dense(%d)
  fn forward(ids: i32[B, T]) -> f32[B, T, %d] { head(rnn(embed(ids)).all) }
  fn next(token: i32[B], at: i32) -> f32[B, %d] { head(rnn.next(embed(token))) }
}""" % (V, H, H, V, V, V)


def spread(net, r):
    """Weights with which different tokens are likely at different places."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.tensor(f32(1.2 * r.normal(size=p.shape))))
    return net.double().eval()


def varied(net, r, tokens):
    """Of some such weights those whose answers repeat themselves the least."""
    draws = [int(seed) for seed in r.integers(0, 1 << 30, size=12)]
    distinct = lambda seed: sum(len(set(row.tolist())) for row in tokens(spread(net, np.random.default_rng(seed))))
    return spread(net, np.random.default_rng(max(draws, key=distinct)))


def config_of(**options):
    return GenerationConfig(max_new_tokens=LIMIT, do_sample=False, eos_token_id=END, pad_token_id=PAD, **options)


def answers(out):
    """What stands behind the end is a matter of taste: here it is the padding."""
    ended = torch.cumsum(torch.cumsum((out == END).long(), 1), 1) > 1
    out = torch.where(ended, PAD, out)
    return F.pad(out, (0, LIMIT - out.shape[1]), value=PAD)


def continued(net, prompts, use_cache, options):
    return answers(net.generate(prompts, generation_config=config_of(use_cache=use_cache, **options))[:, P:])


def language_model(name, net, model, params, call, prompts, tokens):
    """A net that goes on with prompts."""
    loss = lambda _, c: F.cross_entropy(net(input_ids=c["ids"][:, :-1]).logits.flatten(0, 1), c["ids"][:, 1:].flatten())
    source = program([f"ids: i32[{P}]"], model, call, "cross_entropy(net(ids[:, :-1]), ids[:, 1:])", B, args="ids")
    Case(name, source.replace(f"    let out = {call}\n", ""), {"ids": prompts}, params, tokens, loss)


def gru(name, call, **options):
    r = rng(name)
    net = spread(Gru(Config(vocab_size=V, pad_token_id=PAD, eos_token_id=END)), r)
    prompts = r.integers(2, V, size=(B, P))
    transposed = lambda t: t.t()
    params = {"embed.weight": net.embed.weight, "rnn.input": (net.rnn.weight_ih_l0, transposed),
              "rnn.recurrent": (net.rnn.weight_hh_l0, transposed), "rnn.bias": net.rnn.bias_ih_l0,
              "rnn.bias_recurrent": net.rnn.bias_hh_l0, "head.weight": (net.head.weight, transposed),
              "head.bias": net.head.bias}
    language_model(name, net, MODEL, params, call, prompts, lambda c: continued(net, c["ids"], False, options))


GPT = f"""fn gelu_tanh(x: f32[*S]) -> f32[*S] {{ gelu(x, approximate: true) }}
model Net() {{
  embed = Embedding({V}, 8)
  positions = LearnedPositions(16)
  blocks = TransformerEncoder(2, 2, 12, activation: gelu_tanh, pre_norm: true, context: 16)
  fn forward(ids: i32[B, T]) -> f32[B, T, {V}] {{ blocks(positions(embed(ids)), causal: true) @ transpose(embed.weight) }}
  fn next(token: i32[B], at: i32) -> f32[B, {V}] {{
    blocks.next(positions.next(embed(token), at), at) @ transpose(embed.weight)
  }}
}}"""


def gpt(name, call, **options):
    """Its Conv1D holds queries, keys and values side by side."""
    r = rng(name)
    prompts = r.integers(2, V, size=(B, P))
    config = GPT2Config(vocab_size=V, n_positions=16, n_embd=8, n_layer=2, n_head=2, n_inner=12, resid_pdrop=0.0,
                        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=END, eos_token_id=END)
    net = varied(GPT2LMHeadModel(config), r, lambda m: continued(m, torch.tensor(prompts), True, options))

    def block(path, i):
        h = net.transformer.h[i]
        part = lambda n: lambda t: t.chunk(3, -1)[n]
        out = {f"{path}.attention.{n}.{k}": (getattr(h.attn.c_attn, k), part(at)) for at, n in enumerate("qkv")
               for k in ("weight", "bias")}
        for ours, theirs in {"attention.o": h.attn.c_proj, "feed.up": h.mlp.c_fc, "feed.down": h.mlp.c_proj}.items():
            out.update({f"{path}.{ours}.weight": theirs.weight, f"{path}.{ours}.bias": theirs.bias})
        return {**out, **layer_norm(f"{path}.attention_norm", h.ln_1), **layer_norm(f"{path}.feed_norm", h.ln_2)}
    params = {"embed.weight": net.transformer.wte.weight, "positions.weight": net.transformer.wpe.weight,
              **stack("blocks.layers", 2, block), **layer_norm("blocks.final_norm", net.transformer.ln_f)}
    language_model(name, net, GPT, params, call, prompts, lambda c: continued(net, c["ids"], True, options))


def t5(name, options, **arguments):
    """Sources of different lengths; `next` sees only what `start` kept."""
    r = rng(name)
    data = {"s": r.integers(1, 11, size=(3, 7)), **lengths(7)(r), "t": r.integers(1, 11, size=(3, 5))}
    model = (f"model Net() {{\n  t5 = {T5}, context: {LIMIT})\n  fn forward(s: i32[B, 7], m: i32[B, 7], t: i32[B, 5]) "
             "-> f32[B, 5, 11] {\n    t5(s, m > 0, concat(zeros([B, 1], dtype: i32), t[:, :-1], axis: 1))\n  }\n}")
    call = f"answer(net.t5, s, m > 0, {LIMIT}, end: {END}{options})"
    source = program(["s: i32[7]", "m: i32[7]", "t: i32[5]"], model, call, "cross_entropy(net(s, m, t), t)", 3, args="s, m")
    config = config_of(decoder_start_token_id=0, **arguments)
    answer = lambda m, c: answers(m.generate(c["s"], attention_mask=c["m"], generation_config=config)[:, 1:])
    columns = {k: torch.tensor(v) for k, v in data.items()}
    net = varied(t5_model(name), r, lambda m: answer(m, columns))
    loss = lambda _, c: net(input_ids=c["s"], attention_mask=c["m"], labels=c["t"]).loss
    Case(name, source.replace(f"    let out = {call}\n", ""), data, t5_params(net), lambda c: answer(net, c), loss,
         ("sgd(lr: 0.0001)", lambda p: torch.optim.SGD(p, lr=0.0001)))


gru("generate_greedy", f"greedy(net, ids, {LIMIT}, end: {END})")
SEARCHES = [(2, 1.0, False), (2, 2.0, True), (3, 1.0, False), (3, 1.0, True), (3, 0.0, False), (3, 2.0, False),
            (4, 1.0, False), (4, 1.0, True), (4, 0.0, True), (4, 0.5, False)]
for beams, penalty, early in SEARCHES:
    name = f"generate_beams_{beams}_{penalty}_{'early' if early else 'patient'}".replace(".", "_")
    options = f", length_penalty: {penalty}" if penalty != 1.0 else ""
    call = f"beam_search(net, ids, {LIMIT}, beams: {beams}, end: {END}{options}{', early: true' if early else ''})"
    gru(name, call, num_beams=beams, length_penalty=penalty, early_stopping=early)

gpt("generate_gpt_greedy", f"greedy(net, ids, {LIMIT}, end: {END})")
gpt("generate_gpt_beams_4", f"beam_search(net, ids, {LIMIT}, beams: 4, end: {END})", num_beams=4)
t5("generate_t5_greedy", "")
t5("generate_t5_beams_4", ", beams: 4", num_beams=4)
t5("generate_t5_beams_3_early", ", beams: 3, early: true", num_beams=3, early_stopping=True)

if __name__ == "__main__":
    generate.main(generate.CASES)
