#!/usr/bin/env python3
"""Makes the fixtures of recurrent layers: recurrent_*.

Usage: pip install torch==2.15.0 numpy; python tests/parity/recurrent.py

The form is that of generate.py: a program, and what PyTorch computes for the same net in float64.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
import generate
from generate import Case, f32, param, program, rng

generate.CASES.clear()
B, T, D, H = 4, 5, 3, 5
LENGTHS = [5, 2, 4, 1]


def transposed(t):
    return t.t()


def randomise(module, name):
    r = rng(name)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(f32(0.5 * r.normal(size=p.shape))))
    return module


def direction(path, rnn, suffix):
    """The parameters of one direction of one layer."""
    names = {"input": "weight_ih", "recurrent": "weight_hh", "bias": "bias_ih", "bias_recurrent": "bias_hh"}
    tensors = {ours: getattr(rnn, f"{theirs}_{suffix}", None) for ours, theirs in names.items()}
    return {f"{path}.{n}": (t, transposed) if t.dim() == 2 else t for n, t in tensors.items() if t is not None}


def case(name, members, call, forward, params, lengths=None, depth=1, ways=1, fields=()):
    """`call` gives a record with `all` and `last`; `forward` the same two from x and lengths."""
    r = rng(name)
    data = {"x": f32(r.normal(size=(B, T, D))), "y": f32(r.normal(size=(B, (T + 1) * H * ways)))}
    decl, args, signature = ["x: f32[%d, %d]" % (T, D)], "x", "x: f32[B, T, D]"
    if lengths:
        data["n"] = torch.tensor(lengths).numpy()
        decl, args, signature = [*decl, "n: i32"], "x, n", f"{signature}, n: i32[B]"
    model = (f"model Net() {{\n  {members}\n  fn forward({signature}) {{\n    let r = {call}\n"
             f"    concat(flatten(r.all), r.last, axis: -1)\n  }}\n}}")
    source = program([*decl, f"y: f32[{(T + 1) * H * ways}]"], model, f"net({args})", "mse(out, y)", B, args=args)
    joined = lambda c: torch.cat([part.flatten(1) for part in forward(c["x"], c.get("n"))], 1)
    Case(name, source, data, params, joined, lambda o, c: F.mse_loss(o, c["y"]))


def torch_rnn(rnn):
    """`all` and the last state of the topmost layer, both directions side by side."""
    ways = 2 if rnn.bidirectional else 1

    def forward(x, n):
        out, state = rnn(x if n is None else pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False))
        if n is not None:
            out, _ = pad_packed_sequence(out, batch_first=True, total_length=T)
        state = state[0] if isinstance(state, tuple) else state
        return out, torch.cat(list(state[-ways:]), 1)
    return forward


def simple(name, cell, rnn, lengths=None):
    rnn = randomise(rnn, name)
    call = "rnn(x, mask(n, T))" if lengths else "rnn(x)"
    case(name, f"rnn = {cell}", call, torch_rnn(rnn), direction("rnn", rnn, "l0"), lengths)


RNNS = {
    "rnn": ("SimpleRnn({}, recurrent_bias: true)", nn.RNN, {}),
    "rnn_relu": ("SimpleRnn({}, activation: relu, recurrent_bias: true)", nn.RNN, {"nonlinearity": "relu"}),
    "lstm": ("Lstm({}, recurrent_bias: true)", nn.LSTM, {}),
    "gru": ("Gru({})", nn.GRU, {}),
}
for kind, (cell, module, options) in RNNS.items():
    make = lambda **more: module(D, H, batch_first=True, **options, **more)
    simple(f"recurrent_{kind}", cell.format(H), make())
    simple(f"recurrent_{kind}_lengths", cell.format(H), make(), LENGTHS)
    if kind != "rnn_relu":
        simple(f"recurrent_{kind}_no_bias", cell.replace("recurrent_bias: true", "use_bias: false").replace(
            "Gru({}", "Gru({}, use_bias: false").format(H), make(bias=False))
        for lengths in [None, LENGTHS]:
            name = f"recurrent_{kind}_both_ways{'_lengths' if lengths else ''}"
            rnn = randomise(make(bidirectional=True), name)
            params = {**direction("rnn.forwards", rnn, "l0"), **direction("rnn.backwards", rnn, "l0_reverse")}
            call = "rnn(x, mask(n, T))" if lengths else "rnn(x)"
            case(name, f"rnn = Bidirectional({cell.format(H)})", call, torch_rnn(rnn), params, lengths, ways=2)
        name = f"recurrent_{kind}_stacked_both_ways_lengths"
        rnn = randomise(make(bidirectional=True, num_layers=2), name)
        params = {}
        for i in range(2):
            params.update(direction(f"rnn.layers.{i}.forwards", rnn, f"l{i}"))
            params.update(direction(f"rnn.layers.{i}.backwards", rnn, f"l{i}_reverse"))
        members = f"rnn = Stacked([Bidirectional({cell.format(H)}), Bidirectional({cell.format(H)})])"
        case(name, members, "rnn(x, mask(n, T))", torch_rnn(rnn), params, LENGTHS, ways=2)


def backwards_alone():
    """One direction, from the end to the start: the last state is that of the first position (pytorch#1811)."""
    name = "recurrent_lstm_backwards_lengths"
    rnn = randomise(nn.LSTM(D, H, batch_first=True, bidirectional=True), name)

    def forward(x, n):
        out, last = torch_rnn(rnn)(x, n)
        return out[..., H:], last[:, H:]
    case(name, f"rnn = Lstm({H}, recurrent_bias: true)", "rnn(x, mask(n, T), backward: true)", forward,
         direction("rnn", rnn, "l0_reverse"), LENGTHS)


backwards_alone()


def original_gru():
    """The reset gate before the product (Cho et al. 2014), which PyTorch does not have: its formula."""
    name = "recurrent_gru_original"
    r = rng(name)
    w, u, b = (param(0.5 * r.normal(size=s)) for s in [(D, 3 * H), (H, 3 * H), (3 * H,)])

    def forward(x, n):
        h, states = torch.zeros(B, H), []
        for t in range(T):
            a = x[:, t] @ w + b
            reset = torch.sigmoid(a[:, :H] + h @ u[:, :H])
            z = torch.sigmoid(a[:, H:2 * H] + h @ u[:, H:2 * H])
            new = torch.tanh(a[:, 2 * H:] + (reset * h) @ u[:, 2 * H:])
            h = (1 - z) * new + z * h
            states.append(h)
        return torch.stack(states, 1), h
    case(name, f"rnn = Gru({H}, reset_after: false)", "rnn(x)", forward,
         {"rnn.input": w, "rnn.recurrent": u, "rnn.bias": b})


original_gru()


def initial_states():
    """Where the states begin is learned too."""
    name = "recurrent_lstm_initial"
    rnn = randomise(nn.LSTM(D, H, batch_first=True), name)
    r = rng(name + "h")
    h, c = param(r.normal(size=H)), param(r.normal(size=H))

    def forward(x, n):
        out, (last, _) = rnn(x, (h.expand(1, B, H).contiguous(), c.expand(1, B, H).contiguous()))
        return out, last[0]
    members = (f"rnn = Lstm({H}, recurrent_bias: true)\n  param h: f32[{H}] = zeros\n  param c: f32[{H}] = zeros")
    case(name, members, f"rnn(x, initial: broadcast_to(h, [B, {H}]), initial_cell: broadcast_to(c, [B, {H}]))", forward,
         {**direction("rnn", rnn, "l0"), "h": h, "c": c})


initial_states()

if __name__ == "__main__":
    generate.main(generate.CASES)
