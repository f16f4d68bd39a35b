#!/usr/bin/env python3
"""The same models as examples/lstm.nn, gpt.nn, reuters.nn, reuters_minilm.nn, phonemes.nn and translate.nn in PyTorch: the
scores they are held against.

Usage: references.py lstm|gpt|reuters|reuters_minilm|phonemes|translate [--seeds 1 2 3] [--threads 2] [--limit STEPS]
       references.py translate --nnc target/release/nnc --runs runs/translate-1 …: BLEU of runs of nnc
Data, splits, batches, initial distributions, optimizer, schedule and length of training are the example's. Needs
examples/data/fetch-*.sh to have run, and torch. Prints one JSON object for each seed.
"""
import argparse, collections, json, math, pathlib, statistics, time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

DATA = pathlib.Path(__file__).resolve().parent.parent / "examples/data"


# What nnc does, in words of PyTorch.

def cosine(lr, end=0.0, warmup=0):
    """The rate of step 1, 2, …, total: std/schedule.nn."""
    def rate(step, total):
        if step <= warmup:
            return lr * step / warmup
        progress = (step - 1 - warmup) / (total - warmup) if warmup else (step - 1) / total
        return end + (lr - end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return rate


def linear(lr, warmup):
    """warmup_linear of std/schedule.nn."""
    return lambda step, total: lr * (step / warmup if step <= warmup else 1 - (step - 1 - warmup) / (total - warmup))


def buckets(rows, lengths, size, shuffle=True):
    """Batches of rows of similar length: the rows of 64 batches that follow each other are sorted, then the batches shuffled."""
    rows = rows[torch.randperm(len(rows)).numpy()] if shuffle else rows
    chunks = [rows[i:i + 64 * size] for i in range(0, len(rows), 64 * size)] if shuffle else [rows]
    sorted_rows = np.concatenate([c[np.argsort(lengths[c], kind="stable")] for c in chunks])
    batches = [sorted_rows[i:i + size] for i in range(0, len(rows), size)]
    return [batches[i] for i in torch.randperm(len(batches))] if shuffle else batches


def by_hash(count, *parts):
    """Rows of splits that take so many rows each, then the rest: src/train/split.rs."""
    x = np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        order = np.argsort(z ^ (z >> np.uint64(31)), kind="stable")
    ends = np.cumsum(parts)
    return [np.sort(order[a:b]) for a, b in zip([0, *ends], [*ends, count])]


def vocabulary(texts, size):
    """Words by frequency, ties by their bytes; 0 is what is not there."""
    counts = collections.Counter(word for text in texts for word in text.split())
    ordered = sorted(counts, key=lambda w: (-counts[w], w.encode()))[:size - 1]
    return {word: i + 1 for i, word in enumerate(ordered)}


def padded(rows, chosen):
    return pad_sequence([rows[i] for i in chosen], batch_first=True), torch.tensor([len(rows[i]) for i in chosen])


def as_nnc(module):
    """Dense and recurrent layers begin as those of std/: Glorot, orthogonal, one bias, the forget gate open."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        if isinstance(part, nn.RNNBase):
            for name, p in part.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(p)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
                    if isinstance(part, nn.LSTM):
                        if name.startswith("bias_hh"):
                            p.requires_grad = False
                        else:
                            p.data[part.hidden_size:2 * part.hidden_size] = 1.0


class Run:
    """Steps with a clipped gradient and a rate for each step; measures their time."""

    def __init__(self, model, rate, total, decay=None, beta2=0.999):
        weights = [p for p in model.parameters() if p.requires_grad]
        groups = [dict(params=[p for p in weights if p.dim() > 1], weight_decay=decay or 0.0),
                  dict(params=[p for p in weights if p.dim() <= 1], weight_decay=0.0)]
        kind = torch.optim.Adam if decay is None else torch.optim.AdamW
        self.optimizer = kind(groups, betas=(0.9, beta2), fused=True)
        self.model, self.weights, self.rate, self.total = model, weights, rate, total
        self.step, self.seconds, self.losses = 0, 0.0, []

    def update(self, loss_of):
        started = time.perf_counter()
        self.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.step, self.total)
        self.optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.losses.append(loss.item())
        self.seconds += time.perf_counter() - started

    def times(self):
        return dict(steps=self.step, ms_per_step=round(1e3 * self.seconds / self.step, 2), seconds=round(self.seconds, 1),
                    loss=round(float(np.mean(self.losses[-50:])), 4))


class Recurrent(nn.Module):
    """A recurrent layer over rows of different lengths: all states (zero in padding) and the last ones."""

    def __init__(self, kind, width, units, **options):
        super().__init__()
        self.net = kind(width, units, batch_first=True, **options)

    def forward(self, x, lengths):
        packed, last = self.net(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        last = last[0] if isinstance(last, tuple) else last
        return pad_packed_sequence(packed, batch_first=True)[0], last[-1]


# The models.

def lstm(seed, limit, epochs=100, units=128):
    def load(part):
        rows = [json.loads(line) for line in open(DATA / f"vowels/{part}.jsonl")]
        return [torch.tensor(r["series"]) for r in rows], torch.tensor([r["speaker"] for r in rows])

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = Recurrent(nn.LSTM, 12, units, num_layers=3, dropout=0.5)
            self.hidden, self.head = nn.Linear(units, 64), nn.Linear(64, 9)

        def forward(self, x, lengths):
            last = self.body(F.dropout(x, 0.4, self.training), lengths)[1]
            return self.head(F.dropout(F.relu(self.hidden(last)), 0.5, self.training))

    (x, y), (x_test, y_test) = load("train"), load("test")
    net = Net()
    as_nnc(net)
    lengths = np.array([len(row) for row in x])
    per_epoch = -(-len(x) // 16)
    run = Run(net, cosine(3e-3), epochs * per_epoch)
    for _ in range(epochs):
        for rows in buckets(np.arange(len(x)), lengths, 16)[:limit]:
            batch = padded(x, rows)
            run.update(lambda: F.cross_entropy(net(*batch), y[rows], label_smoothing=0.1))
    net.eval()
    with torch.no_grad():
        right = net(*padded(x_test, range(len(x_test)))).argmax(-1) == y_test
    return dict(accuracy=round(right.float().mean().item(), 4), epoch_seconds=round(run.seconds / epochs, 3), **run.times())


def gpt(seed, limit, steps=2000, context=64, width=128, depth=4, heads=4):
    text = (DATA / "shakespeare.txt").read_bytes().decode("utf-8")
    cut = len(text) - round(0.1 * len(text))
    known = {c: i + 1 for i, c in enumerate(sorted(set(text[:cut])))}
    ids = torch.tensor([known.get(c, 0) for c in text])
    train, held = ids[:cut], ids[cut:]
    vocab = len(known) + 1

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            linear = lambda a, b: nn.Linear(a, b, bias=False)
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = linear(width, 3 * width), linear(width, width)
            self.up, self.down = linear(width, 4 * width), linear(4 * width, width)

        def forward(self, x):
            q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
            x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.places = nn.Embedding(vocab, width), nn.Embedding(context, width)
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(depth)), nn.LayerNorm(width)
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=0.02)

        def forward(self, tokens):
            x = self.embed(tokens) + self.places.weight
            for block in self.blocks:
                x = block(x)
            return self.norm(x) @ self.embed.weight.T

    net = Net()
    loss = lambda rows: F.cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    windows = lambda source, starts: source[starts[:, None] + torch.arange(context + 1)]
    run = Run(net, cosine(1e-3, 1e-4, warmup=100), steps, decay=0.1, beta2=0.99)
    starts = torch.randperm(len(train) - context)
    for i in range(min(steps, limit or steps)):
        batch = windows(train, starts[12 * i:12 * i + 12])
        run.update(lambda: loss(batch))
    with torch.no_grad():
        starts = torch.arange(0, len(held) - context, context)
        total = sum(loss(windows(held, part)).item() * len(part) for part in starts.split(100))
    return dict(validation_loss=round(total / len(starts), 4), windows=len(starts), **run.times())


def stories():
    """Topics and texts of the rows to train with, then of those to test with."""
    for part in ("train", "test"):
        lines = open(DATA / f"reuters/{part}.tsv", encoding="utf-8").read().splitlines()[1:]
        yield list(zip(*(line.split("\t") for line in lines)))


def reuters(seed, limit, epochs=8, words=10_000, units=64):
    (topics, texts), (test_topics, test_texts) = stories()
    known, names = vocabulary(texts, words), sorted(set(topics))
    encode = lambda texts: [torch.tensor([known.get(w, 0) for w in text.split()]) for text in texts]
    label = lambda topics: torch.tensor([names.index(t) for t in topics])
    x, y, x_test, y_test = encode(texts), label(topics), encode(test_texts), label(test_topics)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.reader = nn.Embedding(len(known) + 1, 64), Recurrent(nn.GRU, 64, units, bidirectional=True)
            self.head = nn.Linear(2 * units, len(names))

        def forward(self, tokens, lengths):
            read, _ = self.reader(F.dropout(self.embed(tokens), 0.3, self.training), lengths)
            absent = torch.arange(read.shape[1])[None, :] >= lengths[:, None]
            top = read.masked_fill(absent[:, :, None], -math.inf).amax(1)
            return self.head(F.dropout(top, 0.3, self.training))

    net = Net()
    as_nnc(net)
    nn.init.normal_(net.embed.weight, std=0.1)
    lengths = np.array([len(row) for row in x])
    run = Run(net, cosine(4e-3), epochs * -(-len(x) // 32))
    for _ in range(epochs):
        for rows in buckets(np.arange(len(x)), lengths, 32)[:limit]:
            batch = padded(x, rows)
            run.update(lambda: F.cross_entropy(net(*batch), y[rows], label_smoothing=0.1))
    net.eval()
    order = np.argsort([len(row) for row in x_test], kind="stable")
    with torch.no_grad():
        right = sum((net(*padded(x_test, rows)).argmax(-1) == y_test[rows]).sum().item()
                    for rows in np.array_split(order, len(order) // 32))
    return dict(accuracy=round(right / len(x_test), 4), epoch_seconds=round(run.seconds / epochs, 2), **run.times())


def reuters_minilm(seed, limit, epochs=2, longest=128, rate=0.1):
    from tokenizers import Tokenizer
    from transformers import BertModel
    (topics, texts), (test_topics, test_texts) = stories()
    names = sorted(set(topics))
    tokenizer = Tokenizer.from_file(str(DATA / "minilm/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    encode = lambda texts: [torch.tensor(e.ids) for e in tokenizer.encode_batch(texts)]
    label = lambda topics: torch.tensor([names.index(t) for t in topics])
    x, y, x_test, y_test = encode(texts), label(topics), encode(test_texts), label(test_topics)
    validate, train = by_hash(len(x), round(0.1 * len(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = BertModel.from_pretrained(DATA / "minilm", add_pooling_layer=False, attn_implementation="eager",
                                                  hidden_dropout_prob=rate, attention_probs_dropout_prob=rate)
            for layer in self.bert.encoder.layer:
                layer.intermediate.intermediate_act_fn = nn.Sequential(nn.GELU(), nn.Dropout(rate))
            self.head = nn.Linear(384, len(names))
            as_nnc(self.head)

        def forward(self, tokens, lengths):
            seen = (torch.arange(tokens.shape[1])[None, :] < lengths[:, None])
            h = self.bert(tokens, attention_mask=seen.long()).last_hidden_state
            mean = (h * seen[:, :, None]).sum(1) / lengths[:, None]
            return self.head(F.dropout(mean, rate, self.training))

    net = Net()
    run = Run(net, linear(1e-4, warmup=100), epochs * -(-len(train) // 16), decay=0.01)

    def score(x, y, rows):
        net.eval()
        parts = buckets(rows, np.array([len(row) for row in x]), 32, shuffle=False)
        with torch.no_grad():
            right = sum((net(*padded(x, part)).argmax(-1) == y[part]).sum().item() for part in parts)
        net.train()
        return right / len(rows)

    lengths = np.array([len(row) for row in x])
    best, best_weights = -1.0, None
    net.train()
    for epoch in range(epochs):
        for rows in buckets(train, lengths, 16)[:limit]:
            batch = padded(x, rows)
            run.update(lambda: F.cross_entropy(net(*batch), y[rows], label_smoothing=0.1))
        found = score(x, y, validate)
        print(f"epoch {epoch + 1}: accuracy {found:.4f}, {run.times()}", flush=True)
        if found > best:
            best, best_weights = found, {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(best_weights)
    accuracy = score(x_test, y_test, np.arange(len(x_test)))
    return dict(accuracy=round(accuracy, 4), validation=round(best, 4), epoch_seconds=round(run.seconds / epochs, 1),
                cpu_seconds=round(time.process_time()), **run.times())


def phonemes(seed, limit, epochs=6, units=128):
    lines = open(DATA / "cmudict/words.tsv", encoding="utf-8").read().splitlines()[1:]
    spelling, spoken = zip(*(line.split("\t") for line in lines))
    held = round(0.05 * len(lines))
    validate, test, train = by_hash(len(lines), held, held)
    letters = vocabulary([spelling[i] for i in train], 32)
    sounds = vocabulary([spoken[i] for i in train], 100)
    x = [torch.tensor([letters.get(c, 0) for c in s.split()]) for s in spelling]
    y = [torch.tensor([sounds.get(c, 0) for c in s.split()]) for s in spoken]
    classes = len(sounds) + 1

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(len(letters) + 1, 64)
            self.below = Recurrent(nn.LSTM, 64, units, bidirectional=True)
            self.above = Recurrent(nn.LSTM, 2 * units, units, bidirectional=True)
            self.head = nn.Linear(2 * units, 2 * classes)

        def forward(self, tokens, lengths):
            h = F.dropout(self.below(self.embed(tokens), lengths)[0], 0.2, self.training)
            h = F.dropout(self.above(h, lengths)[0], 0.2, self.training)
            return self.head(h).reshape(len(tokens), -1, classes)

    net = Net()
    as_nnc(net)
    nn.init.normal_(net.embed.weight, std=0.1)
    lengths = np.array([len(row) for row in x])
    run = Run(net, cosine(2e-3, warmup=500), epochs * -(-len(train) // 64))

    def loss(tokens, sizes, target, counts):
        log_p = F.log_softmax(net(tokens, sizes), -1).transpose(0, 1)
        return F.ctc_loss(log_p, target, 2 * sizes, counts, zero_infinity=True)

    def exact(rows):
        net.eval()
        right = 0
        with torch.no_grad():
            for part in buckets(rows, lengths, 256, shuffle=False):
                paths = net(*padded(x, part)).argmax(-1)
                for row, path in zip(part, paths):
                    path = torch.unique_consecutive(path[:2 * len(x[row])])
                    right += path[path != 0].tolist() == y[row].tolist()
        net.train()
        return right / len(rows)

    best, best_weights, started = -1.0, None, time.perf_counter()
    for epoch in range(epochs):
        for rows in buckets(train, lengths, 64)[:limit]:
            batch = *padded(x, rows), *padded(y, rows)
            run.update(lambda: loss(*batch))
        score = exact(validate)
        print(f"epoch {epoch + 1}: exact {score:.4f}, {run.times()}", flush=True)
        if score > best:
            best, best_weights = score, {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(best_weights)
    return dict(exact=round(exact(test), 4), epoch_seconds=round(run.seconds / epochs, 1), **run.times())


def verses():
    """Pairs, their ids with the end, and the rows of validate, test and train."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(DATA / "verses/tokenizer.json"))
    pairs = [line.split("\t") for line in open(DATA / "verses/pairs.tsv", encoding="utf-8").read().splitlines()[1:]]
    held = round(0.05 * len(pairs))
    x, y = ([torch.tensor(tokenizer.encode(pair[i]).ids) for pair in pairs] for i in (1, 2))
    return tokenizer, pairs, x, y, by_hash(len(pairs), held, held)


def bleu(tokenizer, found, wanted):
    """Of answers that are ids (PyTorch's) or texts (nnc's)."""
    import sacrebleu
    texts = [row if isinstance(row, str) else tokenizer.decode(row, skip_special_tokens=True) for row in found]
    return round(sacrebleu.corpus_bleu(texts, [wanted]).score, 2)


def bleu_of_runs(nnc, runs):
    """nnc's answers to the rows of test, by the weights of each run."""
    import subprocess, tempfile
    tokenizer, pairs, _, _, (_, test, _) = verses()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
        rows = ["reference\tenglish\tspanish", *("\t".join(pairs[i]) for i in test)]
        file.write("\n".join(rows) + "\n")
        file.flush()
        for run in runs:
            program = str(DATA.parent / "translate.nn")
            out = subprocess.run([nnc, "predict", program, "--run", run, "--data", file.name],
                                 check=True, capture_output=True, text=True).stdout
            answers = {row["row"]: row["spanish"] for row in map(json.loads, out.splitlines())}
            found = [answers[n] for n in range(len(test))]
            print(json.dumps(dict(run=run, bleu=bleu(tokenizer, found, [pairs[i][2] for i in test]))), flush=True)


def translate(seed, limit, epochs=20, width=128, depth=2):
    from transformers import T5Config, T5ForConditionalGeneration
    tokenizer, pairs, x, y, (validate, test, train) = verses()
    pad, end = tokenizer.token_to_id("<pad>"), tokenizer.token_to_id("</s>")
    net = T5ForConditionalGeneration(T5Config(
        vocab_size=tokenizer.get_vocab_size(), d_model=width, d_kv=width // 4, d_ff=4 * width, num_layers=depth, num_heads=4,
        dropout_rate=0.1, pad_token_id=pad, eos_token_id=end, decoder_start_token_id=pad))
    as_nnc(net)
    for part in net.modules():
        if isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.02 if part.embedding_dim == 4 else 1.0)
    net.lm_head.weight = net.shared.weight
    lengths = np.array([len(row) for row in y])
    run = Run(net, cosine(3e-3, warmup=400), epochs * -(-len(train) // 32), decay=0.01, beta2=0.98)

    def loss(rows, smoothing):
        (source, sizes), (target, counts) = padded(x, rows), padded(y, rows)
        seen = torch.arange(source.shape[1])[None, :] < sizes[:, None]
        wanted = target.masked_fill(torch.arange(target.shape[1])[None, :] >= counts[:, None], -100)
        before = F.pad(target[:, :-1], (1, 0), value=pad)
        logits = net(input_ids=source, attention_mask=seen.long(), decoder_input_ids=before).logits
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), label_smoothing=smoothing), counts.sum().item()

    def validation():
        net.eval()
        with torch.no_grad():
            parts = [loss(rows, 0.0) for rows in buckets(validate, lengths, 64, shuffle=False)]
        net.train()
        return sum(l.item() * n for l, n in parts) / sum(n for _, n in parts)

    best, best_weights = math.inf, None
    net.train()
    for epoch in range(epochs):
        for rows in buckets(train, lengths, 32)[:limit]:
            run.update(lambda: loss(rows, 0.1)[0])
        score = validation()
        print(f"epoch {epoch + 1}: loss {score:.4f}, {run.times()}", flush=True)
        if score < best:
            best, best_weights = score, {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(best_weights)
    net.eval()
    found = []
    for i in range(0, len(test), 32):
        source, sizes = padded(x, test[i:i + 32])
        seen = torch.arange(source.shape[1])[None, :] < sizes[:, None]
        found += net.generate(input_ids=source, attention_mask=seen.long(), num_beams=4, max_new_tokens=60).tolist()
    score = bleu(tokenizer, found, [pairs[i][2] for i in test])
    return dict(bleu=score, validation_loss=round(best, 4), epoch_seconds=round(run.seconds / epochs, 1), **run.times())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", choices=["lstm", "gpt", "reuters", "reuters_minilm", "phonemes", "translate"])
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--limit", type=int, help="at most so many steps (an epoch): to measure time")
    ap.add_argument("--nnc", default="target/release/nnc", help="the binary that made the runs")
    ap.add_argument("--runs", nargs="*", help="BLEU of these runs of examples/translate.nn, and no training")
    a = ap.parse_args()
    if a.runs:
        return bleu_of_runs(a.nnc, a.runs)
    torch.set_num_threads(a.threads)
    scores = []
    for seed in a.seeds:
        torch.manual_seed(seed)
        result = globals()[a.model](seed, a.limit)
        print(json.dumps(dict(model=a.model, seed=seed, **result)), flush=True)
        scores.append(next(iter(result.values())))
    print(f"median {statistics.median(scores)} of {scores}")


if __name__ == "__main__":
    main()
