#!/usr/bin/env python3
"""Makes tests/parity/lanes.json: truncated backpropagation through time of a net of characters, in float64.

Usage: pip install torch==2.15.0 numpy; python tests/parity/lanes.py

The text of training is cut into two lanes side by side, and each lane into three windows. From window to window the hidden
state goes on, detached; each epoch begins with zeros, and so does each pass over the text of validation.
"""
import json, pathlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

TEXT = "the cat sat on the mat, no" + "a hot tea at ten, the man."
LANES, WINDOW, STRIDE, UNITS, EPOCHS = 2, 5, 4, 5, 2

PROGRAM = """data Book from text("book.txt", unit: characters) {
  tokens: i32[T]
  split train 0.5, test 0.5
}
model Next(vocab: int) {
  embed = Embedding(vocab, 3)
  rnn = Gru(5)
  head = Dense(vocab)
  state h: f32[B, 5] = 0.0
  fn forward(tokens: i32[B, T]) -> f32[B, T, vocab] {
    let y = rnn(embed(tokens), initial: h)
    h = y.last
    head(y.all)
  }
}
train {
  let net = Next(vocab: Book.vocab)
  optimizer = sgd(lr: 0.5)
  epochs = 2
  step (tokens) in Book.train |> lanes(2, window: 5, overlap: 1) {
    minimize cross_entropy(net(tokens[:, :-1]), tokens[:, 1:])
  }
  validate (tokens) in Book.test |> lanes(2, window: 5, overlap: 1) {
    report loss: cross_entropy(net(tokens[:, :-1]), tokens[:, 1:])
  }
}
"""


def flat(t):
    """The shortest decimals that give its numbers in float32."""
    return [float(str(np.float32(v))) for v in t.detach().reshape(-1)]


def windows(text, known):
    """Of each step the next window of every lane."""
    ids = torch.tensor([1 + known.index(c) if c in known else 0 for c in text])
    lanes = ids.reshape(LANES, -1)
    return [lanes[:, i:i + WINDOW] for i in range(0, lanes.shape[1] - WINDOW + 1, STRIDE)]


def loss(net, tokens, h):
    embed, rnn, head = net
    y, h = rnn(embed(tokens[:, :-1]), h)
    logits = head(y)
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()), h


def validate(net, batches):
    """The mean over all windows."""
    with torch.no_grad():
        h, losses = None, []
        for tokens in batches:
            value, h = loss(net, tokens, h)
            losses.append(float(value))
    return sum(losses) / len(losses)


def main():
    half = len(TEXT) // 2
    known = sorted(set(TEXT[:half]))
    train, test = windows(TEXT[:half], known), windows(TEXT[half:], known)
    assert len(train) == len(test) == 3
    net = nn.ModuleList([nn.Embedding(len(known) + 1, 3), nn.GRU(3, UNITS, batch_first=True),
                         nn.Linear(UNITS, len(known) + 1)])
    r = np.random.default_rng(7)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.tensor(r.normal(size=p.shape).astype("float32")))
    embed, rnn, head = net
    same, turned = (lambda t: t), (lambda t: t.t())
    params = {"embed.weight": (embed.weight, same), "rnn.input": (rnn.weight_ih_l0, turned),
              "rnn.recurrent": (rnn.weight_hh_l0, turned), "rnn.bias": (rnn.bias_ih_l0, same),
              "rnn.bias_recurrent": (rnn.bias_hh_l0, same), "head.weight": (head.weight, turned),
              "head.bias": (head.bias, same)}
    start = {k: {"shape": list(f(t).shape), "data": flat(f(t))} for k, (t, f) in params.items()}
    opt = torch.optim.SGD(net.parameters(), lr=0.5)
    losses, validated = [], []
    for _ in range(EPOCHS):
        h = None
        for tokens in train:
            opt.zero_grad()
            value, next_h = loss(net, tokens, h)
            # A state that begins afresh would show.
            assert h is None or abs(float((value - loss(net, tokens, None)[0]).detach())) > 1e-3
            value.backward()
            opt.step()
            h = next_h.detach()
            losses.append(float(value.detach()))
            validated.append(validate(net, test))
    out = {"program": PROGRAM, "text": TEXT, "start": start, "losses": losses, "validated": validated,
           "state": flat(h[0]), "after": {k: flat(f(t)) for k, (t, f) in params.items()}}
    (pathlib.Path(__file__).resolve().parent / "lanes.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
