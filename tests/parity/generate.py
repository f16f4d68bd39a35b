#!/usr/bin/env python3
"""Makes tests/parity/fixtures/*.json: what PyTorch computes for small programs in the language.

Usage: pip install torch==2.15.0 transformers==5.24.0 optax==0.2.8 numpy; python tests/parity/generate.py

lamb and lion are optax's, adafactor and its rates transformers'.

Each fixture holds a program (its optimizer is written OPTIMIZER), columns of data, first parameters, and PyTorch's
answers in float64: the outputs in eval mode, the gradient of the first step, the losses of five steps, and the
parameters and buffers after them. tests/parity.rs runs the program and compares.
"""
import json, pathlib
import jax
import numpy as np
import optax
import torch
import torch.nn as nn
import torch.nn.functional as F
import transformers.optimization as HF

jax.config.update("jax_enable_x64", True)

torch.set_default_dtype(torch.float64)
OUT = pathlib.Path(__file__).resolve().parent / "fixtures"
SGD = ("sgd(lr: 0.1)", lambda p: torch.optim.SGD(p, lr=0.1))
CASES = {}


def rng(name):
    return np.random.default_rng(sum(map(ord, name)))


def f32(a):
    """Rounded to float32, so that both sides start from the same numbers."""
    return np.asarray(a, "float32").astype("float64")


def flat(t):
    """A float32 tensor that leads with PyTorch's layout, as a list of the shortest decimals that give its numbers."""
    return [float(str(np.float32(v))) for v in np.asarray(t.detach() if torch.is_tensor(t) else t).reshape(-1)]


class Case:
    """One program and its twin in PyTorch.

    columns: name -> array (float64 for f32 columns, int64 for i32)
    params: name in nnc -> (tensor in PyTorch, to_nnc): to_nnc turns PyTorch's layout into nnc's
    forward(columns as tensors) -> output in nnc's layout; loss(output, columns) -> scalar
    tuning: another optimizer, in nnc and in PyTorch, and how many steps of it give losses
    """

    def __init__(self, name, program, columns, params, forward, loss, optimizer=SGD, module=None, buffers=None,
                 schedule=None, rounds=5, tuning=None):
        self.__dict__.update(locals())
        CASES[name] = self

    def fixture(self):
        col = {k: torch.tensor(v) for k, v in self.columns.items()}
        same = lambda t: t
        params = {k: (v if isinstance(v, tuple) else (v, same)) for k, v in self.params.items()}
        buffers = {k: (v if isinstance(v, tuple) else (v, same)) for k, v in (self.buffers or {}).items()}
        tensors = list({id(t): t for t, _ in params.values()}.values())
        start = {k: {"shape": list(f(t).shape), "data": flat(f(t))} for k, (t, f) in {**params, **buffers}.items()}
        if self.module:
            self.module.eval()
        first = [t.detach().clone() for t in tensors]
        out = self.forward(col)
        if self.module:
            self.module.train()
        opt = self.optimizer[1](tensors) if tensors else None
        sched = self.schedule(opt) if self.schedule else None
        losses, grads = [], {}
        for i in range(self.rounds):
            if opt:
                opt.zero_grad()
            l = self.loss(self.forward(col), col)
            losses.append(float(l.detach()))
            if opt:
                l.backward()
                if i == 0:
                    grads = {k: flat(f(t.grad)) for k, (t, f) in params.items()}
                opt.step()
                if sched:
                    sched.step()
        after = {k: flat(f(t)) for k, (t, f) in {**params, **buffers}.items()}
        columns = {k: {"dtype": "f32" if v.dtype.kind == "f" else "i32", "shape": list(v.shape),
                       "data": flat(v) if v.dtype.kind == "f" else [int(x) for x in v.reshape(-1)]}
                   for k, v in self.columns.items()}
        return {"program": self.program, "optimizer": self.optimizer[0], "columns": columns, "start": start,
                "forward": {"shape": list(out.shape), "data": flat(out)}, "grads": grads, "losses": losses,
                "after": after, **self.tuned(tensors, first, col)}

    def tuned(self, tensors, first, columns):
        """The losses of the other optimizer, from the first values."""
        if not self.tuning:
            return {}
        for t, value in zip(tensors, first):
            t.data.copy_(value)
        name, optimizer, rounds = self.tuning
        opt, losses = optimizer(tensors), []
        for _ in range(rounds):
            opt.zero_grad()
            loss = self.loss(self.forward(columns), columns)
            losses.append(float(loss.detach()))
            loss.backward()
            opt.step()
        return {"tuning": {"optimizer": name, "losses": losses}}


def program(fields, model, output, loss, rows, args="x", settings="", extra=""):
    decl = "\n".join(f"  {f}" for f in fields)
    names = ", ".join(f.split(":")[0] for f in fields)
    return f"""data D from csv("unused.csv") {{
{decl}
  split train
}}
{model}
train {{
  let net = Net()
  optimizer = OPTIMIZER
  epochs = 5
  seed = 1
{settings}
  step ({names}) in D.train |> batch({rows}) {{
    let out = {output}
    minimize {loss}
  }}
  predict ({args}) {{ report out: {output} }}
}}
{extra}"""


def param(a):
    return torch.tensor(f32(a), requires_grad=True)


def hwio(t):
    return t.permute(2, 3, 1, 0)


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


# ── dense, activations ──

def dense_case(name, model, act, optimizer=SGD, settings="", rows=5, schedule=None):
    r = rng(name)
    x, y = f32(r.normal(size=(rows, 7))), f32(r.normal(size=(rows, 3)))
    w, b = param(r.normal(size=(7, 3)) * 0.5), param(r.normal(size=3))
    text = program(["x: f32[7]", "y: f32[3]"], model, "net(x)", "mse(out, y)", rows, settings=settings)
    Case(name, text, {"x": x, "y": y}, {"dense.weight": w, "dense.bias": b},
         lambda c: act(c["x"] @ w + b), lambda o, c: F.mse_loss(o, c["y"]), optimizer, schedule=schedule)


def dense_model(tail=""):
    return f"model Net() {{\n  dense = Dense(3)\n  fn forward(x: f32[B, D]) -> f32[B, 3] {{ x |> dense{tail} }}\n}}"


ACTIVATIONS = {
    "identity": ("", lambda z: z),
    "relu": (" |> relu", F.relu),
    "leaky_relu": (" |> leaky_relu(slope: 0.2)", lambda z: F.leaky_relu(z, 0.2)),
    "elu": (" |> elu", F.elu),
    "sigmoid": (" |> sigmoid", torch.sigmoid),
    "tanh": (" |> tanh", torch.tanh),
    "softplus": (" |> softplus", F.softplus),
    "silu": (" |> silu", F.silu),
    "mish": (" |> mish", F.mish),
    "gelu": (" |> gelu", F.gelu),
    "gelu_tanh": (" |> gelu(approximate: true)", lambda z: F.gelu(z, approximate="tanh")),
    "softmax": (" |> softmax", lambda z: F.softmax(z, -1)),
    "log_softmax": (" |> log_softmax", lambda z: F.log_softmax(z, -1)),
}
for key, (tail, act) in ACTIVATIONS.items():
    dense_case(f"dense_{key}", dense_model(tail), act)

# ── optimizers ──

NO_DECAY_BIAS = lambda make: lambda p: make([{"params": [t for t in p if t.dim() > 1]},
                                             {"params": [t for t in p if t.dim() <= 1], "weight_decay": 0.0}])
O = torch.optim


class Optax:
    """An optimizer of optax that moves PyTorch's tensors."""

    def __init__(self, params, transform):
        self.params, self.transform = params, transform
        self.state = transform.init(self.values())

    def values(self):
        return [p.detach().numpy().copy() for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        grads = [p.grad.numpy().copy() for p in self.params]
        updates, self.state = self.transform.update(grads, self.state, self.values())
        for p, u in zip(self.params, updates):
            p.data.add_(torch.tensor(np.array(u)))


MATRICES = lambda values: [v.ndim > 1 for v in values]


def adafactor(**options):
    return lambda p: HF.Adafactor(p, **{"relative_step": False, "scale_parameter": False, **options})


OPTIMIZERS = {
    "sgd": ("sgd(lr: 0.1)", lambda p: O.SGD(p, 0.1)),
    "sgd_momentum": ("sgd(lr: 0.1, momentum: 0.9)", lambda p: O.SGD(p, 0.1, momentum=0.9)),
    "sgd_nesterov": ("sgd(lr: 0.1, momentum: 0.9, nesterov: true)", lambda p: O.SGD(p, 0.1, momentum=0.9, nesterov=True)),
    "sgd_dampening": ("sgd(lr: 0.1, momentum: 0.9, dampening: 0.5)", lambda p: O.SGD(p, 0.1, momentum=0.9, dampening=0.5)),
    "sgd_decay": ("sgd(lr: 0.1, decay: 0.1)", lambda p: O.SGD(p, 0.1, weight_decay=0.1)),
    "adam": ("adam(lr: 0.05)", lambda p: O.Adam(p, 0.05)),
    "adam_betas": ("adam(lr: 0.05, beta1: 0.5, beta2: 0.9, eps: 1e-4)", lambda p: O.Adam(p, 0.05, (0.5, 0.9), 1e-4)),
    "adamw": ("adamw(lr: 0.05, decay: 0.1)", NO_DECAY_BIAS(lambda g: O.AdamW(g, 0.05, weight_decay=0.1))),
    "adamw_all": ("adamw(lr: 0.05, decay: 0.1, decay_all: true)", lambda p: O.AdamW(p, 0.05, weight_decay=0.1)),
    "rmsprop": ("rmsprop(lr: 0.01)", lambda p: O.RMSprop(p, 0.01, alpha=0.9, eps=1e-8)),
    "adagrad": ("adagrad(lr: 0.1)", lambda p: O.Adagrad(p, 0.1)),
    "rmsprop_momentum": ("rmsprop(lr: 0.01, rho: 0.99, momentum: 0.9)",
                         lambda p: O.RMSprop(p, 0.01, alpha=0.99, eps=1e-8, momentum=0.9)),
    "lion": ("lion(lr: 0.01, beta1: 0.8, beta2: 0.9)", lambda p: Optax(p, optax.lion(0.01, 0.8, 0.9, weight_decay=0.0))),
    "lion_decay": ("lion(lr: 0.01, decay: 0.1)", lambda p: Optax(p, optax.lion(0.01, weight_decay=0.1, mask=MATRICES))),
    "lamb": ("lamb(lr: 0.05, decay: 0.0)", lambda p: Optax(p, optax.lamb(0.05))),
    "lamb_decay": ("lamb(lr: 0.05, beta1: 0.8, eps: 1e-4, decay: 0.1)",
                   lambda p: Optax(p, optax.lamb(0.05, 0.8, eps=1e-4, weight_decay=0.1, mask=MATRICES))),
    "adafactor": ("adafactor(lr: 0.05)", adafactor(lr=0.05)),
    "adafactor_scaled": ("adafactor(lr: 0.1, scale_parameter: true, clip: 0.5, decay_rate: 0.6)",
                         adafactor(lr=0.1, scale_parameter=True, clip_threshold=0.5, decay_rate=-0.6)),
    "adafactor_momentum": ("adafactor(lr: 0.05, beta1: 0.9, decay: 0.1)", adafactor(lr=0.05, beta1=0.9, weight_decay=0.1)),
    "adafactor_relative": ("adafactor(lr: relative_step(), scale_parameter: true)",
                           adafactor(lr=None, relative_step=True, scale_parameter=True)),
    "adafactor_warmup": ("adafactor(lr: relative_step(warmup: true))",
                         adafactor(lr=None, relative_step=True, warmup_init=True)),
}
for key, optimizer in OPTIMIZERS.items():
    dense_case(f"optim_{key}", dense_model(" |> tanh"), torch.tanh, optimizer)

# ── schedules: PyTorch's LambdaLR counts steps from 0 ──

S = torch.optim.lr_scheduler


def hf(name, warmup, **options):
    """A schedule of transformers, whose warm-up begins with 0; nnc's with the second step of it."""
    factor = getattr(HF, name)
    at = lambda step: factor(step, num_warmup_steps=warmup, **options)
    return lambda o: S.LambdaLR(o, lambda step: at(step + 1 if step < warmup else step))


SCHEDULES = {
    "step_decay": ("step_decay(0.1, every: 2, factor: 0.5)", lambda o: S.StepLR(o, 2, 0.5)),
    "cosine": ("cosine(0.1)", lambda o: S.CosineAnnealingLR(o, 5)),
    "linear_warmup": ("linear_warmup(0.1, warmup: 4)", lambda o: S.LinearLR(o, 0.25, 1.0, 3)),
    "exponential": ("exponential(0.1, steps: 1, factor: 0.7)", lambda o: S.ExponentialLR(o, 0.7)),
    "linear": ("linear(0.1, end: 0.02)", lambda o: S.LinearLR(o, 1.0, 0.2, 5)),
    "warmup_linear": ("warmup_linear(0.1, warmup: 2)",
                      hf("_get_linear_schedule_with_warmup_lr_lambda", 2, num_training_steps=5)),
    "warmup_cosine": ("warmup_cosine(0.1, warmup: 2)",
                      hf("_get_cosine_schedule_with_warmup_lr_lambda", 2, num_training_steps=5, num_cycles=0.5)),
    "warmup_polynomial": ("warmup_polynomial(0.1, warmup: 1, power: 2.0, end: 0.01)",
                          hf("_get_polynomial_decay_schedule_with_warmup_lr_lambda", 1, num_training_steps=5,
                             lr_end=0.01, power=2.0, lr_init=0.1)),
    "warmup_cosine_restarts": ("warmup_cosine_restarts(0.1, warmup: 1, cycles: 2)",
                               hf("_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda", 1,
                                  num_training_steps=5, num_cycles=2)),
    "warmup_stable_decay": ("warmup_stable_decay(0.1, warmup: 1, decay: 2, end: 0.01)",
                            hf("_get_wsd_scheduler_lambda", 1, num_stable_steps=2, num_decay_steps=2,
                               warmup_type="linear", decay_type="cosine", min_lr_ratio=0.1, num_cycles=0.5)),
    "inverse_sqrt": ("inverse_sqrt(0.1, warmup: 2)", hf("_get_inverse_sqrt_schedule_lr_lambda", 2, timescale=2)),
    "inverse_sqrt_timescale": ("inverse_sqrt(0.1, warmup: 2, timescale: 7)",
                               hf("_get_inverse_sqrt_schedule_lr_lambda", 2, timescale=7)),
}
for key, (text, schedule) in SCHEDULES.items():
    dense_case(f"schedule_{key}", dense_model(" |> tanh"), torch.tanh,
               (f"sgd(lr: {text})", lambda p: O.SGD(p, 0.1)), schedule=schedule)


def clipped(p):
    opt = O.SGD(p, 0.1)
    inner = opt.step
    opt.step = lambda: (torch.nn.utils.clip_grad_norm_(p, 0.05), inner())[1]
    return opt


dense_case("clip_norm", dense_model(), lambda z: z, ("sgd(lr: 0.1)", clipped), settings="  clip_norm = 0.05")

# ── convolution and pooling ──


def conv_case(name, text, torch_conv, size, shape, tail=lambda z: z, rows=2, groups=1, transpose=False, bias=True):
    r = rng(name)
    h, w, c = size
    x = f32(r.normal(size=(rows, h, w, c)))
    kh, kw, ci, co = shape
    k = param(r.normal(size=(co, ci, kh, kw)) * 0.3)
    b = param(r.normal(size=co))
    forward = lambda q: nhwc(tail(torch_conv(nchw(q["x"]), k, b)))
    probe = forward({"x": torch.tensor(x)})
    y = f32(r.normal(size=probe.shape))
    dims = ", ".join(map(str, probe.shape[1:]))
    model = (f"model Net() {{\n  conv = {text}\n"
             f"  fn forward(x: f32[B, {h}, {w}, {c}]) -> f32[B, {dims}] {{ x |> conv{TAILS[tail]} }}\n}}")
    source = program([f"x: f32[{h}, {w}, {c}]", f"y: f32[{dims}]"], model, "net(x)", "mse(out, y)", rows)
    Case(name, source, {"x": x, "y": y}, {"conv.weight": (k, hwio), "conv.bias": b}, forward,
         lambda o, q: F.mse_loss(o, q["y"]))


def none(z):
    return z


def max2(z):
    return F.max_pool2d(z, 2)


def max3(z):
    return F.max_pool2d(z, 3, stride=2, padding=1)


def avg2(z):
    return F.avg_pool2d(z, 2)


TAILS = {none: "", max2: " |> max_pool2d(2)", max3: " |> max_pool2d(3, stride: 2, padding: 1)",
         avg2: " |> avg_pool2d(2)"}

conv_case("conv_valid", "Conv2d(5, kernel: 3)", lambda x, k, b: F.conv2d(x, k, b), (7, 6, 3), (3, 3, 3, 5), none)
conv_case("conv_one_channel", "Conv2d(4, kernel: 3)", lambda x, k, b: F.conv2d(x, k, b), (8, 9, 1), (3, 3, 1, 4), none)
conv_case("conv_same", 'Conv2d(5, kernel: 3, padding: "same")', lambda x, k, b: F.conv2d(x, k, b, padding=1),
          (7, 6, 3), (3, 3, 3, 5), none)
# TensorFlow's rule: the odd pixel goes after.
conv_case("conv_same_even", 'Conv2d(5, kernel: 2, padding: "same")',
          lambda x, k, b: F.conv2d(F.pad(x, (0, 1, 0, 1)), k, b), (7, 6, 3), (2, 2, 3, 5), none)
conv_case("conv_same_stride", 'Conv2d(5, kernel: 3, stride: 2, padding: "same")',
          lambda x, k, b: F.conv2d(F.pad(x, (0, 1, 1, 1)), k, b, stride=2), (7, 6, 3), (3, 3, 3, 5), none)
conv_case("conv_stride", "Conv2d(5, kernel: 3, stride: 2)", lambda x, k, b: F.conv2d(x, k, b, stride=2),
          (8, 7, 3), (3, 3, 3, 5), none)
conv_case("conv_dilation", "Conv2d(5, kernel: 3, dilation: 2)", lambda x, k, b: F.conv2d(x, k, b, dilation=2),
          (8, 7, 3), (3, 3, 3, 5), none)
conv_case("conv_rectangle", "Conv2d(5, kernel: [3, 2], stride: [2, 1], padding: [[1, 0], [0, 1]])",
          lambda x, k, b: F.conv2d(F.pad(x, (0, 1, 1, 0)), k, b, stride=(2, 1)), (8, 7, 3), (3, 2, 3, 5), none)
conv_case("conv_groups", "Conv2d(6, kernel: 3, groups: 2)", lambda x, k, b: F.conv2d(x, k, b, groups=2),
          (6, 7, 4), (3, 3, 2, 6), none)
conv_case("conv_depthwise", "Conv2d(4, kernel: 3, groups: 4)", lambda x, k, b: F.conv2d(x, k, b, groups=4),
          (6, 7, 4), (3, 3, 1, 4), none)
conv_case("conv_max_pool", "Conv2d(5, kernel: 3)", lambda x, k, b: F.conv2d(x, k, b), (9, 8, 2), (3, 3, 2, 5), max2)
conv_case("conv_max_pool_overlapping", "Conv2d(5, kernel: 3)", lambda x, k, b: F.conv2d(x, k, b), (9, 8, 2),
          (3, 3, 2, 5), max3)
conv_case("conv_avg_pool", "Conv2d(5, kernel: 3)", lambda x, k, b: F.conv2d(x, k, b), (9, 8, 2), (3, 3, 2, 5), avg2)


def transpose_case():
    name = "conv_transpose"
    r = rng(name)
    x = f32(r.normal(size=(2, 4, 5, 3)))
    k = param(r.normal(size=(3, 4, 3, 3)) * 0.3)
    b = param(r.normal(size=4))
    forward = lambda q: nhwc(F.conv_transpose2d(nchw(q["x"]), k, b, stride=2, padding=1, output_padding=1))
    probe = forward({"x": torch.tensor(x)})
    y = f32(r.normal(size=probe.shape))
    dims = ", ".join(map(str, probe.shape[1:]))
    model = ("model Net() {\n  conv = ConvTranspose2d(4, kernel: 3, stride: 2, padding: 1, output_padding: 1)\n"
             f"  fn forward(x: f32[B, 4, 5, 3]) -> f32[B, {dims}] {{ conv(x) }}\n}}")
    source = program(["x: f32[4, 5, 3]", f"y: f32[{dims}]"], model, "net(x)", "mse(out, y)", 2)
    # PyTorch stores [in, out, h, w]; nnc [h, w, out, in].
    Case(name, source, {"x": x, "y": y}, {"conv.weight": (k, lambda t: t.permute(2, 3, 1, 0)), "conv.bias": b}, forward,
         lambda o, q: F.mse_loss(o, q["y"]))


transpose_case()

# ── normalisation ──


def norm_case(name, text, module, dims, channels_first, params, buffers=None):
    r = rng(name)
    rows = 4
    x, y = f32(r.normal(size=(rows, *dims)) * 2 + 1), f32(r.normal(size=(rows, *dims)))
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(f32(r.normal(size=p.shape))))
    forward = lambda c: nhwc(module(nchw(c["x"]))) if channels_first else module(c["x"])
    shape = ", ".join(map(str, dims))
    model = f"model Net() {{\n  norm = {text}\n  fn forward(x: f32[B, {shape}]) -> f32[B, {shape}] {{ norm(x) }}\n}}"
    source = program([f"x: f32[{shape}]", f"y: f32[{shape}]"], model, "net(x)", "mse(out, y)", rows)
    Case(name, source, {"x": x, "y": y}, params(module), forward, lambda o, c: F.mse_loss(o, c["y"]),
         module=module, buffers=buffers(module) if buffers else None)


affine = lambda m: {"norm.scale": m.weight, "norm.offset": m.bias}
running = lambda m: {"norm.running_mean": m.running_mean, "norm.running_variance": m.running_var}
norm_case("batch_norm_2d", "BatchNorm()", nn.BatchNorm2d(3), (4, 5, 3), True, affine, running)
norm_case("batch_norm_1d", "BatchNorm(momentum: 0.3)", nn.BatchNorm1d(6, momentum=0.3), (6,), False, affine, running)
norm_case("layer_norm", "LayerNorm()", nn.LayerNorm(7), (3, 7), False, affine)
norm_case("rms_norm", "RmsNorm()", nn.RMSNorm(7, eps=1e-6), (3, 7), False, lambda m: {"norm.scale": m.weight})

# ── losses: the model is one dense layer ──


def loss_case(name, text, loss, labels="class", rows=6):
    r = rng(name)
    x = f32(r.normal(size=(rows, 5)))
    w, b = param(r.normal(size=(5, 4))), param(r.normal(size=4))
    if labels == "class":
        y, field = r.integers(0, 4, rows).astype("int64"), "y: i32"
    else:
        y, field = f32(r.uniform(size=(rows, 4))), "y: f32[4]"
    model = "model Net() {\n  dense = Dense(4)\n  fn forward(x: f32[B, D]) -> f32[B, 4] { dense(x) }\n}"
    Case(name, program(["x: f32[5]", field], model, "net(x)", text, rows), {"x": x, "y": y},
         {"dense.weight": w, "dense.bias": b}, lambda c: c["x"] @ w + b, lambda o, c: loss(o, c["y"]))


loss_case("loss_cross_entropy", "cross_entropy(out, y)", F.cross_entropy)
loss_case("loss_cross_entropy_smoothing", "cross_entropy(out, y, smoothing: 0.1)",
          lambda o, y: F.cross_entropy(o, y, label_smoothing=0.1))
loss_case("loss_cross_entropy_ignore", "cross_entropy(out, y, ignore: [2])",
          lambda o, y: F.cross_entropy(o, y, ignore_index=2))
loss_case("loss_cross_entropy_ignore_smoothing", "cross_entropy(out, y, ignore: [2], smoothing: 0.1)",
          lambda o, y: F.cross_entropy(o[y != 2], y[y != 2], label_smoothing=0.1))
loss_case("loss_cross_entropy_sum", 'cross_entropy(out, y, reduce: "sum")',
          lambda o, y: F.cross_entropy(o, y, reduction="sum"))
loss_case("loss_mse", "mse(out, y)", F.mse_loss, "dense")
loss_case("loss_mae", "mae(out, y)", F.l1_loss, "dense")
loss_case("loss_huber", "huber(out, y, delta: 0.5)", lambda o, y: F.huber_loss(o, y, delta=0.5), "dense")
loss_case("loss_bce_logits", "bce_logits(out, y)", F.binary_cross_entropy_with_logits, "dense")

# ── whole models ──


def mnist_cnn():
    name = "mnist_cnn_small"
    r = rng(name)
    x, y = f32(r.uniform(size=(4, 12, 12, 1))), r.integers(0, 10, 4).astype("int64")
    k1, b1 = param(r.normal(size=(6, 1, 3, 3)) * 0.4), param(np.zeros(6))
    k2, b2 = param(r.normal(size=(8, 6, 3, 3)) * 0.2), param(np.zeros(8))
    w1, c1 = param(r.normal(size=(8, 16)) * 0.3), param(np.zeros(16))
    w2, c2 = param(r.normal(size=(16, 10)) * 0.3), param(np.zeros(10))

    def forward(q):
        h = F.max_pool2d(F.relu(F.conv2d(nchw(q["x"]), k1, b1)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, k2, b2)), 2)
        h = nhwc(h).reshape(4, -1)
        return F.relu(h @ w1 + c1) @ w2 + c2
    model = """model Net() {
  conv1 = Conv2d(6, kernel: 3)
  conv2 = Conv2d(8, kernel: 3)
  hidden = Dense(16)
  head = Dense(10)
  fn forward(x: f32[B, 12, 12, 1]) -> f32[B, 10] {
    x |> conv1 |> relu |> max_pool2d(2) |> conv2 |> relu |> max_pool2d(2) |> flatten |> hidden |> relu |> head
  }
}"""
    source = program(["x: f32[12, 12, 1]", "y: i32"], model, "net(x)", "cross_entropy(out, y)", 4)
    params = {"conv1.weight": (k1, hwio), "conv1.bias": b1, "conv2.weight": (k2, hwio), "conv2.bias": b2,
              "hidden.weight": w1, "hidden.bias": c1, "head.weight": w2, "head.bias": c2}
    Case(name, source, {"x": x, "y": y}, params, forward, lambda o, q: F.cross_entropy(o, q["y"]),
         ("adam(lr: 0.01)", lambda p: O.Adam(p, 0.01)))


mnist_cnn()


def main(cases):
    """Writes the fixtures of these cases."""
    OUT.mkdir(exist_ok=True)
    for name, case in cases.items():
        text = json.dumps({"torch": torch.__version__.split("+")[0], **case.fixture()})
        (OUT / f"{name}.json").write_text(text + "\n")
    print(len(cases), "fixtures,", sum((OUT / f"{n}.json").stat().st_size for n in cases) // 1024, "KiB")


if __name__ == "__main__":
    main(CASES)
