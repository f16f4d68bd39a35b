#!/usr/bin/env python3
"""Makes the fixtures of generation: generate_*.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy; python tests/parity/generation.py

A language model of one GRU, wrapped for transformers' `generate`: what greedy and beam search give, token by token. The
form is that of generate.py; the output is the tokens, and the loss that of the model on the prompts.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
import generate
from generate import Case, f32, rng

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


def case(name, call, **options):
    r = rng(name)
    net = Gru(Config(vocab_size=V, pad_token_id=PAD, eos_token_id=END)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.tensor(f32(1.2 * r.normal(size=p.shape))))
    prompts = r.integers(2, V, size=(B, P))
    config = GenerationConfig(max_new_tokens=LIMIT, do_sample=False, use_cache=False, eos_token_id=END,
                              pad_token_id=PAD, **options)

    def tokens(c):
        out = net.generate(c["ids"], generation_config=config)[:, P:]
        # What stands behind the end is a matter of taste: here it is the padding.
        ended = torch.cumsum(torch.cumsum((out == END).long(), 1), 1) > 1
        out = torch.where(ended, PAD, out)
        return F.pad(out, (0, LIMIT - out.shape[1]), value=PAD)

    source = f"""data D from csv("unused.csv") {{
  ids: i32[{P}]
  split train
}}
{MODEL}
train {{
  let net = Net()
  optimizer = OPTIMIZER
  epochs = 5
  seed = 1

  step (ids) in D.train |> batch({B}) {{ minimize cross_entropy(net(ids[:, :-1]), ids[:, 1:]) }}
  predict (ids) {{ report out: {call} }}
}}
"""
    transposed = lambda t: t.t()
    params = {"embed.weight": net.embed.weight, "rnn.input": (net.rnn.weight_ih_l0, transposed),
              "rnn.recurrent": (net.rnn.weight_hh_l0, transposed), "rnn.bias": net.rnn.bias_ih_l0,
              "rnn.bias_recurrent": net.rnn.bias_hh_l0, "head.weight": (net.head.weight, transposed),
              "head.bias": net.head.bias}
    loss = lambda _, c: F.cross_entropy(net.scores(c["ids"][:, :-1]).flatten(0, 1), c["ids"][:, 1:].flatten())
    Case(name, source, {"ids": prompts}, params, tokens, loss)


case("generate_greedy", f"greedy(net, ids, {LIMIT}, end: {END})")
SEARCHES = [(2, 1.0, False), (2, 2.0, True), (3, 1.0, False), (3, 1.0, True), (3, 0.0, False), (3, 2.0, False),
            (4, 1.0, False), (4, 1.0, True), (4, 0.0, True), (4, 0.5, False)]
for beams, penalty, early in SEARCHES:
    name = f"generate_beams_{beams}_{penalty}_{'early' if early else 'patient'}".replace(".", "_")
    options = f", length_penalty: {penalty}" if penalty != 1.0 else ""
    call = f"beam_search(net, ids, {LIMIT}, beams: {beams}, end: {END}{options}{', early: true' if early else ''})"
    case(name, call, num_beams=beams, length_penalty=penalty, early_stopping=early)

if __name__ == "__main__":
    generate.main(generate.CASES)
