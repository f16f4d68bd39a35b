#!/usr/bin/env python3
"""T5 at T5-small's real size (60.5 million parameters): nnc beside transformers, from the same checkpoint and batches.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy
       python tests/parity/t5_small.py [--nnc target/release/nnc] [--steps 20] [--threads 2] [--double]

Prints a table, and fails where a figure is over its bound: logits (1e-4 of the largest), loss (1e-5), the losses of 20 steps of
AdamW, each on a batch of its own (1e-3, relative), greedy and beam-4 answers (token for token), and the weights that
`nnc export` writes before and after, as transformers reads them (the same numbers; logits again). Weights are random, drawn from a
fixed seed, with a spread that makes different tokens likely at different places: where answers differ, the gap between
the two best scores at the first place that differs is shown, since a gap below 1e-4 is a tie. With `--double` transformers
computes in float64: which side is nearer to the truth. Takes some minutes, 4 GB of memory and 2 GB of disk; where
torch or transformers are missing it says that it is skipped.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS, SOURCE, TARGET, LIMIT, END = 4, 24, 16, 16, 1
VOCAB = 32128
RATE, DECAY = 1e-4, 0.01

# A loss of its own for each step: the batch's number tells which one it is.
PROGRAM = """data D from csv("data.csv") {
  k: i32
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
  optimizer = adamw(lr: %(rate)g, decay: %(decay)g, decay_all: true)
  epochs = 1
  step (k, s, n, t) in D.train |> batch(%(rows)d) {
    let loss = cross_entropy(net(s, seen(n, %(source)d), begun(t)), t)
    minimize loss
%(reports)s
  }
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


def batches(count):
    """So many batches, each of its own: tokens of sources, their lengths, tokens of targets."""
    import torch
    g = torch.Generator().manual_seed(4)
    for _ in range(count):
        s = torch.randint(2, VOCAB, (ROWS, SOURCE), generator=g)
        n = torch.tensor([SOURCE, 7, 15, 1])
        s[torch.arange(SOURCE)[None] >= n[:, None]] = 0
        yield s, n, torch.randint(2, VOCAB, (ROWS, TARGET), generator=g)


def seen(n):
    import torch
    return (torch.arange(SOURCE)[None] < n[:, None]).long()


def logits_of(net, s, n, t):
    import torch
    with torch.no_grad():
        return net(input_ids=s, attention_mask=seen(n), labels=t).logits


def answers(net, s, n, beams):
    return net.generate(s, attention_mask=seen(n), max_new_tokens=LIMIT, do_sample=False, num_beams=beams,
                        eos_token_id=END, pad_token_id=0)[:, 1:].tolist()


def fine_tuned(net, data):
    """The losses; the net is trained."""
    import torch
    opt = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    losses = []
    for s, n, t in data:
        opt.zero_grad()
        loss = net(input_ids=s, attention_mask=seen(n), labels=t).loss
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


class Folder:
    """A checkpoint, the batches and a program, and nnc's commands on them."""

    def __init__(self, path, binary, threads):
        self.path, self.binary, self.threads = path, binary, threads

    def prepare(self, net, data):
        net.save_pretrained(self.path)
        self.rows("data.csv", data)
        self.rows("ask.csv", data[:1])
        reports = "\n".join(f"    report loss{k}: loss weight f32(k[0] == {k})" for k in range(len(data)))
        (self.path / "main.nn").write_text(PROGRAM % dict(
            source=SOURCE, target=TARGET, vocab=VOCAB, limit=LIMIT, end=END, rows=ROWS, rate=RATE, decay=DECAY,
            lines=lines(), reports=reports))

    def rows(self, name, data):
        head = ["k", *(f"s{i}" for i in range(SOURCE)), "n", *(f"t{i}" for i in range(TARGET))]
        rows = [[k, *a, b, *c] for k, (s, n, t) in enumerate(data) for a, b, c in zip(s.tolist(), n.tolist(), t.tolist())]
        (self.path / name).write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n")

    def nnc(self, *args, threads=True):
        command = [self.binary, *args, *(["--threads", str(self.threads)] if threads else [])]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def predict(self):
        return self.nnc("predict", "main.nn", "--data", "ask.csv")

    def train(self, steps):
        epoch = next(e for e in self.nnc("train", "main.nn", "--message-format", "json") if e["reason"] == "epoch")
        return [epoch["train"][f"loss{k}"] for k in range(steps)]

    def export(self):
        """What transformers makes of the exported weights."""
        from transformers import T5ForConditionalGeneration
        out = self.path / "exported"
        out.mkdir(exist_ok=True)
        self.nnc("export", "main.nn", "--out", "exported/model.safetensors", threads=False)
        (out / "config.json").write_text((self.path / "config.json").read_text())
        net, report = T5ForConditionalGeneration.from_pretrained(out, output_loading_info=True)
        unfit = {k: v for k, v in report.items() if v and k != "error_msgs"}
        if unfit:
            sys.exit(f"transformers does not take the exported weights: {unfit}")
        return net.eval()


def first_difference(ours, theirs, logits_at):
    """Where answers part, and how near the two best scores are there; None where they agree."""
    for row, (a, b) in enumerate(zip(ours, theirs)):
        length = b.index(END) + 1 if END in b else len(b)
        if a[:length] != b[:length]:
            at = next(i for i in range(length) if a[i] != b[i])
            best = logits_at(row, b[:at]).topk(2).values
            return f"row {row}, token {at}: {a[at]} and {b[at]}; the two best scores are {best[0] - best[1]:.1e} apart"
    return None


class Table:
    """Figures with their bounds."""

    def __init__(self):
        self.wrong = []

    def line(self, what, value, ok):
        print(f"{what:34} {value:30} {'ok' if ok else 'DIFFERS'}", flush=True)
        self.wrong += [] if ok else [what]

    def logits(self, what, rows, expected):
        import torch
        size = expected.abs().max().item()
        error = (torch.tensor([row["logits"] for row in rows], dtype=expected.dtype) - expected).abs().max().item()
        self.line(what, f"{error:.2e} (the largest is {size:.2f})", error <= 1e-4 * max(1.0, size))

    def answers(self, net, rows, batch):
        import torch
        s, n, _ = batch

        def logits_at(row, before):
            start = torch.tensor([[0, *before]])
            with torch.no_grad():
                ids, mask = s[row:row + 1], seen(n)[row:row + 1]
                return net(input_ids=ids, attention_mask=mask, decoder_input_ids=start).logits[0, -1]
        for what, beams in (("greedy", 1), ("beams", 4)):
            theirs = answers(net, s, n, beams)
            apart = first_difference([row[what] for row in rows], theirs, logits_at)
            distinct = sum(len(set(row)) for row in theirs)
            self.line(f"{what}: tokens", apart or f"{distinct} distinct, equal", apart is None)

    def losses(self, ours, theirs):
        self.line("first loss", f"{ours[0]:.6f} {theirs[0]:.6f}", abs(ours[0] - theirs[0]) <= 1e-5 * max(1, theirs[0]))
        apart = [abs(x - y) / abs(y) for x, y in zip(ours, theirs)]
        shown = " ".join(f"{a:.0e}" for a in apart)
        self.line(f"losses of {len(ours)} steps, relative", f"{max(apart):.2e} (last {theirs[-1]:.4f})", max(apart) <= 1e-3)
        print(f"  of each step: {shown}")


def compare(a, folder):
    import copy
    import torch
    table, net, data = Table(), model(), list(batches(a.steps))
    folder.prepare(net, data)
    reference = copy.deepcopy(net).double() if a.double else net
    rows = folder.predict()
    table.logits("logits, largest error", rows, logits_of(reference, *data[0]))
    table.answers(reference, rows, data[0])
    exported = folder.export()
    same = all(torch.equal(x, y) for x, y in zip(net.state_dict().values(), exported.state_dict().values()))
    table.line("exported weights", "equal" if same else "other numbers", same)
    table.losses(folder.train(a.steps), fine_tuned(reference.train(), data))
    table.logits("after export: logits", folder.predict(), logits_of(folder.export(), *data[0]))
    return table.wrong


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--nnc", default=str(ROOT / "target/release/nnc"))
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--double", action="store_true", help="transformers in float64")
    a = ap.parse_args()
    try:
        import torch, transformers  # noqa: F401
    except ImportError as missing:
        return print(f"skipped: {missing}")
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as name:
        wrong = compare(a, Folder(pathlib.Path(name), str(pathlib.Path(a.nnc).resolve()), a.threads))
    sys.exit(f"differ: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
