#!/usr/bin/env python3
"""nnc beside its peers: milliseconds per training step, all in one go on this machine.

Usage: bench.py [--nnc target/release/nnc] [--work mlp,cnn,mlp_odd,cnn_odd,lstm,gpt,t5] [--peer torch,compile,jax,keras]
                [--threads 1,2] [--seconds 3] [--rounds 3]
Install the peers with: pip install numpy torch transformers tensorflow jax flax optax

Both sides start from the same weights and see the same batch: this script writes them (safetensors, idx), and every
peer runs the same Adam (β 0.9 and 0.999, ε 1e-8 outside the root). A step is forward, mean cross-entropy, backward and
update on one batch in memory, float32. Losses at steps 1, 2 and 50 (t5: 5) are printed, and no ratio is shown where they
differ by more than 1e-3 · max(1, loss). Rounds alternate between the sides, so that drift of the machine hits all
alike; the median of the rounds counts. gpt and t5 have PyTorch as their only peer.
"""
import argparse, json, os, pathlib, shutil, statistics, struct, subprocess, sys, tempfile, time

import text

HERE = pathlib.Path(__file__).resolve().parent
# name: kind, height and width of the input, widths, batch
WORK = {
    "mlp": ("mlp", (28, 28), (512, 512), 128),
    "cnn": ("cnn", (28, 28), (32, 64), 64),
    "mlp_odd": ("mlp", (28, 28), (500, 500), 50),
    "cnn_odd": ("cnn", (30, 30), (48, 72), 50),
    "lstm": ("lstm", (100, 64), (128, 64), 64),
}
# Nets over tokens, in text.py.
WORK |= {name: ("text",) for name in text.SIZES}
# Steps before the clock starts: the last of them gives the third loss.
WARM_UP = {"t5": 5}
PEERS = ("torch", "compile", "jax", "keras")


def layers(work):
    """Shapes of the weights by their names in the .nn programs: conv HWIO, dense and LSTM (in, out)."""
    kind, (side, width), (a, b), _ = WORK[work]
    if kind == "mlp":
        return {"hidden1": (side * width, a), "hidden2": (a, b), "head": (b, 10)}
    if kind == "lstm":
        return {"lstm1": (width, a), "lstm2": (a, a), "lstm3": (a, a), "hidden": (a, b), "head": (b, 10)}
    flat = ((side - 2) // 2 - 2) // 2
    return {"conv1": (3, 3, 1, a), "conv2": (3, 3, a, b), "hidden": (flat * flat * b, 128), "head": (128, 10)}


def start(work):
    """Weights (Glorot uniform, zero biases) and one batch, from a fixed seed."""
    import numpy as np
    rng = np.random.default_rng(7)
    weights = {}
    for name, shape in layers(work).items():
        if name.startswith("lstm"):
            # Four gates: input, forget, candidate, output.
            for part, rows in (("input", shape[0]), ("recurrent", shape[1])):
                limit = shape[1] ** -0.5
                weights[f"{name}.{part}"] = rng.uniform(-limit, limit, (rows, 4 * shape[1])).astype("float32")
            weights[f"{name}.bias"] = np.zeros(4 * shape[1], "float32")
            continue
        field = int(np.prod(shape[:-2]))
        limit = (6 / (field * (shape[-2] + shape[-1]))) ** 0.5
        weights[f"{name}.weight"] = rng.uniform(-limit, limit, shape).astype("float32")
        weights[f"{name}.bias"] = np.zeros(shape[-1], "float32")
    _, (height, width), _, batch = WORK[work]
    down, across = height // 7 + 1, width // 7 + 1
    # Ten coarse patterns with noise: as learnable as digits. (On pure noise fifty steps are chaotic: the peers
    # themselves then differ by 1e-2.)
    labels = rng.integers(0, 10, batch, dtype="uint8")
    patterns = rng.integers(0, 2, (10, 7, 7)).repeat(down, 1).repeat(across, 2)[:, :height, :width] * 150
    pixels = (patterns[labels] + rng.integers(0, 100, (batch, height, width))).astype("uint8")
    return weights, pixels, labels


def save(folder, work):
    """Writes what nnc reads: the program, its data and a safetensors file of the weights."""
    shutil.copy(HERE / f"{work}.nn", folder / f"{work}.nn")
    weights = text.save(folder, work) if work in text.SIZES else save_pictures(folder, work)
    header, body = {}, []
    end = 0
    for name, w in weights.items():
        header[name] = {"dtype": "F32", "shape": list(w.shape), "data_offsets": [end, end + w.nbytes]}
        end += w.nbytes
        body.append(w.tobytes())
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    (folder / "weights.safetensors").write_bytes(b"".join([struct.pack("<Q", len(head)), head, *body]))


def save_pictures(folder, work):
    """Writes the batch as idx data and gives the weights."""
    weights, pixels, labels = start(work)
    (folder / "data").mkdir()
    _, (height, width), _, batch = WORK[work]
    header = struct.pack(">IIII", 0x803, batch, height, width)
    (folder / "data/image-idx3-ubyte").write_bytes(header + pixels.tobytes())
    (folder / "data/label-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, batch) + labels.tobytes())
    return weights


def warm_up(work):
    return WARM_UP.get(work, 50)


def timed(work, step, seconds):
    """`step()` returns the loss of that step as a float. Losses at 1, 2, 50, and the median time after that."""
    losses = [step() for _ in range(warm_up(work))]
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    return {"ms": statistics.median(times) * 1e3, "losses": [losses[0], losses[1], losses[-1]]}


def torch_step(work, threads, compiled, channels_last):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    if work in text.SIZES:
        return torch_updates(*text.torch_loss(work), compiled)
    weights, pixels, labels = start(work)
    kind, _, (units, _), batch = WORK[work]
    modules = []
    for name, shape in layers(work).items():
        if name.startswith("lstm"):
            continue
        m = nn.Conv2d(shape[2], shape[3], 3) if len(shape) == 4 else nn.Linear(shape[0], shape[1])
        w = torch.from_numpy(weights[f"{name}.weight"])
        with torch.no_grad():
            if len(shape) == 4:
                w = w.permute(3, 2, 0, 1)
            elif kind == "cnn" and name == "hidden":
                # nnc flattens (h, w, c), PyTorch (c, h, w): the same function from permuted rows.
                c = layers(work)["conv2"][3]
                s = round((shape[0] // c) ** 0.5)
                w = w.reshape(s, s, c, shape[1]).permute(3, 2, 0, 1).reshape(shape[1], shape[0])
            else:
                w = w.T
            m.weight.copy_(w)
            m.bias.zero_()
        modules.append(m)
    if kind == "lstm":
        model = torch_lstm(weights, layers(work), units, modules)
        x = torch.from_numpy(pixels.astype("float32") / 255)
    elif kind == "mlp":
        model = nn.Sequential(modules[0], nn.ReLU(), modules[1], nn.ReLU(), modules[2])
        x = torch.from_numpy(pixels.reshape(batch, -1).astype("float32") / 255)
    else:
        model = nn.Sequential(modules[0], nn.ReLU(), nn.MaxPool2d(2), modules[1], nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), modules[2], nn.ReLU(), modules[3])
        x = torch.from_numpy(pixels[:, None].astype("float32") / 255)
        if channels_last:
            model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = torch.from_numpy(labels.astype("int64"))
    return torch_updates(model, lambda: F.cross_entropy(model(x), y), compiled)


def torch_updates(model, loss_of, compiled):
    """Adam's steps on a loss."""
    import torch
    opt = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, eps=1e-8, fused=True)
    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        opt.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        opt.step()
        return loss.item()
    return step


def torch_lstm(weights, shapes, units, modules):
    import torch
    import torch.nn as nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(shapes["lstm1"][0], units, 3, batch_first=True)
            self.head = nn.Sequential(modules[0], nn.ReLU(), modules[1])

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])
    net = Net()
    with torch.no_grad():
        for n in range(3):
            for ours, theirs in (("input", "weight_ih"), ("recurrent", "weight_hh"), ("bias", "bias_ih")):
                getattr(net.lstm, f"{theirs}_l{n}").copy_(torch.from_numpy(weights[f"lstm{n + 1}.{ours}"].T))
            # nnc has one bias.
            getattr(net.lstm, f"bias_hh_l{n}").zero_().requires_grad_(False)
    return net


def jax_step(work, threads):
    import jax, jax.numpy as jnp, optax
    from jax import lax
    weights, pixels, labels = start(work)
    kind, _, (units, _), batch = WORK[work]
    x, y = jnp.asarray(pixels.astype("float32") / 255), jnp.asarray(labels.astype("int32"))

    def forward(p, x):
        def pool(h):
            return lax.reduce_window(h, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        def lstm(x, name):
            def step(carry, z):
                h, c = carry
                i, f, g, o = jnp.split(z + h @ p[f"{name}.recurrent"], 4, -1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h
            zero = jnp.zeros((batch, units))
            return lax.scan(step, (zero, zero), x @ p[f"{name}.input"] + p[f"{name}.bias"])[1]
        if kind == "lstm":
            h = x.transpose(1, 0, 2)
            for name in ("lstm1", "lstm2", "lstm3"):
                h = lstm(h, name)
            h = jax.nn.relu(h[-1] @ p["hidden.weight"] + p["hidden.bias"])
        elif kind == "mlp":
            h = x.reshape(batch, -1)
            for name in ("hidden1", "hidden2"):
                h = jax.nn.relu(h @ p[f"{name}.weight"] + p[f"{name}.bias"])
        else:
            h = x[..., None]
            for name in ("conv1", "conv2"):
                h = lax.conv_general_dilated(h, p[f"{name}.weight"], (1, 1), "VALID",
                                             dimension_numbers=("NHWC", "HWIO", "NHWC"))
                h = pool(jax.nn.relu(h + p[f"{name}.bias"]))
            h = jax.nn.relu(h.reshape(batch, -1) @ p["hidden.weight"] + p["hidden.bias"])
        return h @ p["head.weight"] + p["head.bias"]

    params = {k: jnp.asarray(v) for k, v in weights.items()}
    tx = optax.adam(1e-3, eps=1e-8)

    def update(p, o, x, y):
        loss = lambda p: optax.softmax_cross_entropy_with_integer_labels(forward(p, x), y).mean()
        l, g = jax.value_and_grad(loss)(p)
        u, o = tx.update(g, o, p)
        return optax.apply_updates(p, u), o, l
    update = jax.jit(update, donate_argnums=(0, 1))
    state = [params, tx.init(params)]

    def step():
        state[0], state[1], l = update(state[0], state[1], x, y)
        return float(l)
    return step


def keras_step(work, threads):
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    weights, pixels, labels = start(work)
    kind, _, (units, _), batch = WORK[work]
    p = {k: tf.Variable(v) for k, v in weights.items()}
    if kind == "lstm":
        stack = [tf.keras.layers.LSTM(units, return_sequences=n < 3) for n in (1, 2, 3)]
        for n, layer in enumerate(stack, 1):
            layer.build((batch, None, layers(work)[f"lstm{n}"][0]))
            parts = [f"lstm{n}.{part}" for part in ("input", "recurrent", "bias")]
            layer.set_weights([weights[part] for part in parts])
            p.update(zip(parts, (v.value for v in layer.trainable_variables)))
    m, v = ({k: tf.Variable(tf.zeros_like(w)) for k, w in p.items()} for _ in range(2))
    x, y = tf.constant(pixels.astype("float32") / 255), tf.constant(labels.astype("int32"))
    count = tf.Variable(0.0)

    def forward(x):
        if kind == "lstm":
            h = x
            for layer in stack:
                h = layer(h)
            h = tf.nn.relu(h @ p["hidden.weight"] + p["hidden.bias"])
        elif kind == "mlp":
            h = tf.reshape(x, (batch, -1))
            for name in ("hidden1", "hidden2"):
                h = tf.nn.relu(h @ p[f"{name}.weight"] + p[f"{name}.bias"])
        else:
            h = x[..., None]
            for name in ("conv1", "conv2"):
                h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(h, p[f"{name}.weight"], 1, "VALID"), p[f"{name}.bias"]))
                h = tf.nn.max_pool2d(h, 2, 2, "VALID")
            h = tf.nn.relu(tf.reshape(h, (batch, -1)) @ p["hidden.weight"] + p["hidden.bias"])
        return h @ p["head.weight"] + p["head.bias"]

    @tf.function(jit_compile=False)
    def train():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, forward(x)))
        grads = tape.gradient(loss, p)
        count.assign_add(1.0)
        # Adam's Algorithm 1 (Keras's own puts ε before the bias correction), by TensorFlow's fused kernel: its ε̂ is
        # ε · sqrt(1 − β2^t), which makes the two equal.
        b1, b2 = 0.9 ** count, 0.999 ** count
        for k in p:
            tf.raw_ops.ResourceApplyAdam(var=p[k].handle, m=m[k].handle, v=v[k].handle, beta1_power=b1, beta2_power=b2,
                                         lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8 * tf.sqrt(1 - b2), grad=grads[k])
        return loss
    return lambda: float(train())


def child(peer, work, threads, seconds):
    if peer in ("torch", "compile"):
        layouts = [False, True] if WORK[work][0] == "cnn" else [False]
        runs = [timed(work, torch_step(work, threads, peer == "compile", last), seconds / len(layouts)) for last in layouts]
        return min(runs, key=lambda r: r["ms"])
    step = {"jax": jax_step, "keras": keras_step}[peer](work, threads)
    return timed(work, step, seconds)


def environment(threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), CUDA_VISIBLE_DEVICES="",
               TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu")
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env


def measure(side, work, threads, seconds, nnc, folder):
    pin = ["taskset", "-c", ",".join(map(str, range(threads)))]
    if side == "nnc":
        command = [nnc, "bench", str(folder / f"{work}.nn"), "--weights", str(folder / "weights.safetensors"),
                   "--threads", str(threads), "--seconds", str(seconds), "--warm-up", str(warm_up(work)), "--message-format", "json"]
    else:
        command = [sys.executable, __file__, "--child", side, "--work", work, "--threads", str(threads),
                   "--seconds", str(seconds)]
    done = subprocess.run(pin + command, env=environment(threads), capture_output=True, text=True)
    lines = [l for l in done.stdout.splitlines() if l.startswith("{")]
    if done.returncode or not lines:
        return {"error": (done.stderr.strip() or "no output")[-300:]}
    return json.loads(lines[-1])


def agree(a, b):
    return all(abs(x - y) <= 1e-3 * max(1, abs(y)) for x, y in zip(a, b))


def compare(work, threads, a, peers):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save(folder, work)
        runs = {side: [] for side in ["nnc", *peers]}
        for _ in range(a.rounds):
            for side in runs:
                runs[side].append(measure(side, work, threads, a.seconds, a.nnc, folder))
    row = {"work": work, "threads": threads}
    good = {}
    for side, results in runs.items():
        bad = [r["error"] for r in results if "error" in r]
        if bad:
            print(f"  {side:8} failed: {bad[0]}")
            continue
        good[side] = (statistics.median(r["ms"] for r in results), results[0]["losses"])
    for side, (ms, losses) in good.items():
        text = " ".join(f"{l:.5f}" for l in losses)
        ratio = ""
        if side != "nnc" and "nnc" in good:
            same = agree(good["nnc"][1], losses)
            ratio = f"nnc/{side} {good['nnc'][0] / ms:.3f}" if same else "losses differ: no ratio"
        print(f"  {side:8} {ms:8.3f} ms/step   loss at 1, 2, {warm_up(work)}: {text}   {ratio}", flush=True)
        row[side] = ms
    rest = {s: ms for s, (ms, l) in good.items() if s != "nnc" and "nnc" in good and agree(good["nnc"][1], l)}
    if rest:
        best = min(rest, key=rest.get)
        row["ratio"] = good["nnc"][0] / rest[best]
        print(f"  against the best peer ({best}): {row['ratio']:.3f}", flush=True)
    return row


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--nnc", default=str(HERE.parent / "target/release/nnc"))
    ap.add_argument("--work", default=",".join(WORK))
    ap.add_argument("--peer", default="torch,compile,jax,keras")
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--seconds", type=float, default=3)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--child")
    a = ap.parse_args()
    if a.child:
        print(json.dumps(child(a.child, a.work, int(a.threads), a.seconds)), flush=True)
        return
    for work in a.work.split(","):
        for threads in map(int, a.threads.split(",")):
            print(f"{work}, {threads} thread{'s' * (threads > 1)}", flush=True)
            only = ("torch", "compile") if work in text.SIZES else PEERS
            compare(work, threads, a, [peer for peer in a.peer.split(",") if peer in only])


if __name__ == "__main__":
    main()
