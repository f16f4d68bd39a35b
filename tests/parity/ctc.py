#!/usr/bin/env python3
"""Makes the fixtures of CTC: ctc_*.

Usage: pip install torch==2.15.0 numpy; python tests/parity/ctc.py

The form is that of generate.py. Rows differ in length; there are repeated labels, a label sequence of one element, an
empty one, and one that needs every position of its row.
"""
import torch
import torch.nn.functional as F
import generate
from generate import Case, f32, param, program, rng

generate.CASES.clear()
B, T, C, L = 5, 7, 4, 3


def case(name, labels, lengths, label_lengths, blank=0, reduce="mean", zero_infinity=False, wanted=None):
    r = rng(name)
    x = f32(r.normal(size=(B, T, C)))
    w = param(torch.eye(C).numpy() + 0.3 * r.normal(size=(C, C)))
    pack = lambda v: torch.tensor(v).numpy()
    options = "".join([f", blank: {blank}" if blank else "", ", zero_infinity: true" if zero_infinity else "",
                       f', reduce: "{reduce}"' if reduce != "mean" else ""])
    model = f"model Net() {{\n  param w: f32[{C}, {C}] = zeros\n  fn forward(x: f32[B, T, {C}]) {{ x @ w }}\n}}"
    source = program([f"x: f32[{T}, {C}]", f"y: i32[{L}]", "n: i32", "m: i32"], model, "net(x)",
                     f"ctc_loss(out, y, n, m{options})", B)

    def loss(out, c):
        return F.ctc_loss(F.log_softmax(out, -1).transpose(0, 1), c["y"], c["n"], c["m"], blank=blank,
                          reduction=reduce, zero_infinity=zero_infinity)
    Case(name, source, {"x": x, "y": pack(labels), "n": pack(lengths), "m": pack(label_lengths)}, {"w": w},
         lambda c: c["x"] @ w, loss)


LABELS = [[1, 2, 3], [2, 2, 1], [3, 0, 0], [1, 1, 1], [2, 3, 2]]
# Row 3 needs 5 positions for three equal labels, and has just these.
case("ctc_mean", LABELS, [7, 6, 3, 5, 4], [3, 3, 1, 3, 2])
case("ctc_sum", LABELS, [7, 7, 7, 7, 7], [3, 3, 1, 3, 3], reduce="sum")
case("ctc_empty", LABELS, [7, 6, 3, 5, 4], [3, 0, 1, 3, 0])
case("ctc_last_blank", [[0, 1, 2], [2, 2, 1], [2, 1, 0], [1, 1, 1], [2, 0, 2]], [7, 6, 3, 5, 4], [3, 3, 1, 3, 2], blank=3)
# Row 1 cannot hold 2, 2, 1 in three positions, row 3 not 1, 1, 1 in four.
case("ctc_zero_infinity", LABELS, [7, 3, 3, 4, 4], [3, 3, 1, 3, 2], zero_infinity=True)

if __name__ == "__main__":
    generate.main(generate.CASES)
