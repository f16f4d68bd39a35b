#!/usr/bin/env python3
"""T5 at T5-small's real size (60.5 million parameters): nnc beside transformers, from the same checkpoint and batches.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy
       python tests/parity/t5_small.py [--nnc target/release/nnc] [--steps 20] [--threads 2]

Prints a table, and fails where a figure is over its bound: logits (1e-4), loss (1e-5), the losses of 20 steps of AdamW
(1e-3, relative), greedy and beam-4 answers (token for token). Weights are random, drawn from a fixed seed, with a spread
that makes different tokens likely at different places: where answers differ, the gap between the two best scores at the
first place that differs is shown, since a gap below 1e-4 is a tie. Takes some minutes and 4 GB of memory; where torch or
transformers are missing it says that it is skipped.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS, SOURCE, TARGET, LIMIT, END = 4, 24, 16, 16, 1
VOCAB = 32128

PROGRAM = """data D from csv("data.csv") {
  s: i32[%(source)d]
  n: i32
  t: i32[%(target)d]
  split train
}
fn begun(target: i32[B, T]) -> i32[B, T] { concat(zeros([B, 1], dtype: i32), target[:, :-1], axis: 1) }
fn seen(n: i32[B], length: int) -> bool[B, length] { range(length)[_, :] < n[:, _] }
train {
  let net = T5(%(vocab)d, context: %(limit)d)
  load "." into net {
%(lines)s  }
  optimizer = adamw(lr: 1e-4, decay: 0.01, decay_all: true)
  epochs = %(steps)d
  step (s, n, t) in D.train |> batch(%(rows)d) { minimize cross_entropy(net(s, seen(n, %(source)d), begun(t)), t) }
  predict (s, n, t) {
    report logits: net(s, seen(n, %(source)d), begun(t))
    report greedy: answer(net, s, seen(n, %(source)d), %(limit)d, end: %(end)d)
    report beams: answer(net, s, seen(n, %(source)d), %(limit)d, beams: 4, end: %(end)d)
  }
}
"""


def lines():
    """The names of a checkpoint, as the example has them."""
    text = (ROOT / "examples/t5_small.nn").read_text()
    return text[text.index('    "shared.weight"'):text.index("  }\n  optimizer")]


def model():
    import torch
    from transformers import T5Config, T5ForConditionalGeneration
    torch.manual_seed(3)
    net = T5ForConditionalGeneration(T5Config(vocab_size=VOCAB, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8,
                                              dropout_rate=0.0, decoder_start_token_id=0))
    with torch.no_grad():
        for name, p in net.named_parameters():
            # What is read counts for more than the token itself, which would repeat; scores far enough from ties.
            if name.endswith((".o.weight", ".wo.weight")):
                p.mul_(3.0)
    return net.eval()


def batch():
    import torch
    g = torch.Generator().manual_seed(4)
    s = torch.randint(2, VOCAB, (ROWS, SOURCE), generator=g)
    n = torch.tensor([SOURCE, 7, 15, 1])
    s[torch.arange(SOURCE)[None] >= n[:, None]] = 0
    return s, n, torch.randint(2, VOCAB, (ROWS, TARGET), generator=g)


def reference(net, s, n, t, steps):
    import torch
    mask = (torch.arange(SOURCE)[None] < n[:, None]).long()
    ask = lambda beams: net.generate(s, attention_mask=mask, max_new_tokens=LIMIT, do_sample=False, num_beams=beams,
                                     eos_token_id=END, pad_token_id=0)[:, 1:]
    with torch.no_grad():
        logits = net(input_ids=s, attention_mask=mask, labels=t).logits
        found = {"logits": logits, "greedy": ask(1), "beams": ask(4)}
    opt = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.01)
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = net(input_ids=s, attention_mask=mask, labels=t).loss
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return found, losses


def nnc(binary, folder, threads, *args):
    command = [binary, *args, "--threads", str(threads)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def prepare(folder, net, s, n, t, steps):
    net.save_pretrained(folder)
    head = [f"s{i}" for i in range(SOURCE)] + ["n"] + [f"t{i}" for i in range(TARGET)]
    rows = [a + [b] + c for a, b, c in zip(s.tolist(), n.tolist(), t.tolist())]
    (folder / "data.csv").write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n")
    sizes = dict(source=SOURCE, target=TARGET, vocab=VOCAB, limit=LIMIT, end=END, rows=ROWS, steps=steps, lines=lines())
    (folder / "main.nn").write_text(PROGRAM % sizes)


def first_difference(ours, theirs, logits_at):
    """Where answers part, and how near the two best scores are there; None where they agree."""
    for row, (a, b) in enumerate(zip(ours, theirs)):
        length = b.index(END) + 1 if END in b else len(b)
        if a[:length] != b[:length]:
            at = next(i for i in range(length) if a[i] != b[i])
            best = logits_at(row, b[:at]).topk(2).values
            return f"row {row}, token {at}: {a[at]} and {b[at]}; the two best scores are {best[0] - best[1]:.1e} apart"
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--nnc", default=str(ROOT / "target/release/nnc"))
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    try:
        import torch, transformers  # noqa: F401
    except ImportError as missing:
        return print(f"skipped: {missing}")
    torch.set_num_threads(a.threads)
    net, (s, n, t) = model(), batch()
    wrong = []

    def line(what, value, ok):
        print(f"{what:32} {value:24} {'ok' if ok else 'DIFFERS'}", flush=True)
        wrong.extend([] if ok else [what])

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(folder, net, s, n, t, a.steps)
        rows = nnc(a.nnc, folder, a.threads, "predict", "main.nn", "--data", "data.csv")
        events = nnc(a.nnc, folder, a.threads, "train", "main.nn", "--message-format", "json")
    mask = (torch.arange(SOURCE)[None] < n[:, None]).long()

    def logits_at(row, before):
        start = torch.tensor([[0, *before]])
        with torch.no_grad():
            return net(input_ids=s[row:row + 1], attention_mask=mask[row:row + 1], decoder_input_ids=start).logits[0, -1]
    import copy
    found, losses = reference(copy.deepcopy(net), s, n, t, a.steps)
    size = found["logits"].abs().max().item()
    error = (torch.tensor([row["logits"] for row in rows]) - found["logits"]).abs().max().item()
    line("logits, largest error", f"{error:.2e} (of {size:.2f})", error <= 1e-4)
    ours = [e["train"]["loss"] for e in events if e["reason"] == "epoch"]
    line("first loss", f"{ours[0]:.6f} {losses[0]:.6f}", abs(ours[0] - losses[0]) <= 1e-5 * max(1, losses[0]))
    curve = max(abs(x - y) / abs(y) for x, y in zip(ours, losses))
    line(f"losses of {a.steps} steps, relative", f"{curve:.2e} (last {losses[-1]:.4f})", len(ours) == a.steps and curve <= 1e-3)
    for what in ("greedy", "beams"):
        theirs = found[what].tolist()
        apart = first_difference([row[what] for row in rows], theirs, logits_at)
        distinct = sum(len(set(row)) for row in theirs)
        line(f"{what}: tokens", apart or f"{distinct} distinct, equal", apart is None)
    sys.exit(f"differ: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
