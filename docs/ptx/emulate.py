"""Runs the PTX of this folder, a thread block at a time, and compares with the tile programs in README.md.

All threads of a block step together, so a lost barrier cannot show as a wrong result; it shows as a race instead: shared
memory remembers who wrote each word and when, and a read or write by another warp (or another thread of the warp) needs
a barrier in between. A cp.async writes when its group is waited for. Branches must be uniform over the block.
Fused multiply-adds are rounded from double, which is one rounding but for rare double roundings, alike in both programs.
"""
import re
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
F, U = np.float32, np.uint32


def flush(x):
    return np.where(np.abs(x) < np.finfo(F).tiny, np.copysign(F(0), x), x).astype(F)


def fma(a, b, c):
    a, b, c = (flush(np.asarray(x, F)).astype(np.float64) for x in (a, b, c))
    return flush((a * b + c).astype(F))


def two(op):
    return lambda a, b: flush(op(flush(a), flush(b)).astype(F))


FLOAT = {"add": two(np.add), "sub": two(np.subtract), "mul": two(np.multiply), "div": two(np.divide), "fma": fma}
INT = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "and": lambda a, b: a & b, "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b, "mad": lambda a, b, c: a * b + c,
}
COMPARE = {"lt": np.less, "ge": np.greater_equal, "gt": np.greater, "eq": np.equal}


def parse(text):
    """Entry name -> (parameters, instructions, labels); shared variables -> (offset, bytes)."""
    text = re.sub(r"//[^\n]*", "", text)
    shared, top = {}, 0
    for kind, name, n in re.findall(r"\.shared \.align 16 \.(\w+) (\w+)\[(\d+)\];", text):
        shared[name] = top
        top += (int(n) * (4 if kind == "f32" else 1) + 15) // 16 * 16
    entries = {}
    for name, params, body in re.findall(r"\.entry (\w+)\(([^)]*)\).*?\n\{\n(.*?)\n\}", text, re.S):
        code, labels = [], {}
        for statement in re.split(r";|(?<=:)\s", body):
            statement = statement.strip()
            if statement.endswith(":"):
                labels[statement[:-1]] = len(code)
            elif statement and not statement.startswith(".reg"):
                guard, op, rest = re.fullmatch(r"(?:@(%\w+) )?(\S+)\s*(.*)", statement, re.S).groups()
                args = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+", rest)
                code.append((guard, op, args))
        entries[name] = (re.findall(r"\.u64 (\w+)", params), code, labels)
    return entries, shared, top


class Block:
    THREADS = 128

    def __init__(self, program, params, memory, block, shared, size):
        self.code, self.labels = program[1:]
        self.params = dict(zip(program[0], params))
        self.memory, self.block, self.symbols = memory, block, shared
        self.thread = np.arange(self.THREADS)
        self.regs, self.groups, self.open = {}, [], []
        self.shared = np.zeros(size // 4, U)
        never = np.full(size // 4, -1)
        self.writer, self.reader = never.copy(), never.copy()      # thread; -1: nobody since the last barrier

    def run(self):
        at = 0
        while self.code[at][1] != "ret":
            guard, op, args = self.code[at]
            mask = self.regs[guard] if guard else np.ones(self.THREADS, bool)
            at += 1
            if op == "bra":
                assert mask.all() or not mask.any(), "a divergent branch"
                at = self.labels[args[0]] if mask.all() else at
            else:
                self.step(op.split("."), args, mask)

    def value(self, arg, kind):
        if arg.startswith("%"):
            x = {"%tid.x": self.thread, "%ctaid.x": self.block[0], "%ctaid.y": self.block[1]}.get(arg)
            x = self.regs[arg] if x is None else np.full(self.THREADS, x, U)
            return x.view(F) if kind == "f32" and x.dtype == U else x
        if arg.startswith("0f"):
            return np.full(self.THREADS, int(arg[2:], 16), U).view(F)
        number = self.symbols[arg] if arg in self.symbols else int(arg)
        return np.full(self.THREADS, number % 2**32, U) if kind != "u64" else np.full(self.THREADS, number, np.uint64)

    def set(self, arg, x, mask):
        x = x.view(U) if x.dtype == F else x
        self.regs[arg] = x if mask.all() else np.where(mask, x, self.regs.get(arg, np.zeros_like(x)))

    def address(self, arg):
        base, _, offset = arg[1:-1].partition("+")
        return self.regs[base].astype(np.int64) + int(offset or 0)

    def step(self, op, args, mask):
        name, kind = op[0], op[-1].replace("s64", "u64")
        if name == "bar":
            whole = op[1] != "warp"
            self.barrier(whole)
        elif name == "cp":
            self.copy(op, args, mask)
        elif name in ("ld", "st"):
            self.access(op, args, mask)
        elif name == "ldmatrix":
            self.ldmatrix(args, "trans" in op)
        elif name == "mma":
            self.mma(args, kind, op[3])
        elif name == "shfl":
            other = self.thread ^ int(args[2])
            self.set(args[0], self.value(args[1], "b32")[other], mask)
        else:
            self.set(args[0], self.compute(name, op, kind, args), mask)

    def compute(self, name, op, kind, args):
        if name == "selp":
            a, b = (self.value(a, kind) for a in args[1:3])
            return np.where(self.regs[args[3]], a, b)
        x = [self.value(a, kind) for a in args[1:] if not (name == "setp" and len(args) == 4 and a == args[3])]
        if name == "setp":
            if op[1] == "nan":
                return np.isnan(x[0]) | self.regs[args[3]]
            x = [flush(v) for v in x] if kind == "f32" else x
            return COMPARE[op[1]](*x)
        if name in ("mov", "cvta"):
            return x[0].copy()
        if name == "shr":
            return x[0] >> x[1] if kind != "s32" else (x[0].view(np.int32) >> x[1].view(np.int32)).view(U)
        if name == "cvt":
            return self.convert(op, args[1])
        return FLOAT[name](*x) if kind == "f32" else INT[name](*x)

    def convert(self, op, arg):
        match op[1:]:
            case ["u64", "u32"]: return self.value(arg, "u32").astype(np.uint64)
            case ["rni", "ftz", "f32", "f32"]: return np.rint(flush(self.value(arg, "f32")))
            case ["rzi", "s32", "f32"]: return np.clip(np.nan_to_num(self.value(arg, "f32"), nan=0), -2**31, 2**31 - 128).astype(np.int32).view(U)
            case ["rn", "f32", "s32"]: return self.value(arg, "b32").view(np.int32).astype(F)
            case ["rna", "tf32", "f32"]: return (self.value(arg, "b32") + U(0x1000)) & U(0xFFFFE000)
        raise NotImplementedError(op)

    # Shared memory and who touched it.

    def barrier(self, whole):
        """After bar.sync all accesses are in order; after bar.warp.sync those of one warp are: marked by 1000 + warp."""
        for who in (self.writer, self.reader):
            if whole:
                who[:] = -1
            else:
                touched = (who >= 0) & (who < 1000)
                who[touched] = 1000 + who[touched] // 32

    def conflicts(self, who, words, thread):
        return (who[words] != -1) & (who[words] != thread) & (who[words] != 1000 + thread // 32)

    def touch(self, words, thread, write):
        assert (words >= 0).all() and (words < len(self.shared)).all(), "outside of shared memory"
        assert not self.conflicts(self.writer, words, thread).any(), "a race with a write"
        if write:
            assert not self.conflicts(self.reader, words, thread).any(), "a race with a read"
            self.writer[words] = thread
        else:
            self.reader[words] = np.where(self.reader[words] == -1, thread, np.where(self.reader[words] == thread, thread, 2000))

    def copy(self, op, args, mask):
        if op[2] == "commit_group":
            self.groups.append(self.open)
            self.open = []
        elif op[2] == "wait_group":
            while len(self.groups) > int(args[0]):
                for to, data, threads in self.groups.pop(0):
                    for w in range(4):
                        self.shared[to + w] = data[w]
                        self.touch(to + w, threads, True)
        else:
            to, source = self.address(args[0]), self.address(args[1])
            assert (to % 16 == 0).all() and (source % 16 == 0).all()
            to, source, threads = to[mask] // 4, source[mask] // 4, self.thread[mask]
            for w in range(4):      # from here on until it is waited for nobody may read
                assert not self.conflicts(self.reader, to + w, threads).any(), "a copy over what is being read"
            self.open.append((to, [self.memory[source + w] for w in range(4)], threads))

    def access(self, op, args, mask):
        if op[1] == "param":
            return self.set(args[0], np.full(self.THREADS, self.params[args[1][1:-1]], np.uint64), mask)
        store = op[0] == "st"
        regs, at = (args[1], args[0]) if store else (args[0], args[1])
        regs = [r.strip() for r in regs.strip("{}").split(",")]
        at = self.address(at)
        assert (at[mask] % (4 * len(regs)) == 0).all(), "alignment"
        for i, reg in enumerate(regs):
            words = at[mask] // 4 + i
            memory = self.shared if "shared" in op else self.memory
            if "shared" in op:
                self.touch(words, self.thread[mask], store)
            if store:
                memory[words] = self.value(reg, "b32").view(U)[mask]
            else:
                x = np.zeros(self.THREADS, U)
                x[mask] = memory[words]
                self.set(reg, x, mask)

    # Matrix instructions, a warp at a time, from the fragment tables of the PTX manual.

    def ldmatrix(self, args, trans):
        regs = [r.strip() for r in args[0].strip("{}").split(",")]
        at = self.address(args[1]) // 4
        halves = self.shared.view(np.uint16)
        g, t = self.thread % 32 // 4, self.thread % 4
        base = self.thread // 32 * 32
        for m, reg in enumerate(regs):
            rows = at[base + 8 * m + g] if not trans else at[base + 8 * m + 2 * t]
            if trans:
                low, high = halves[2 * rows + g], halves[2 * at[base + 8 * m + 2 * t + 1] + g]
                x = low.astype(U) | high.astype(U) << U(16)
            else:
                x = self.shared[rows + t]
            for w in range(4):
                self.touch(at[base + 8 * m + self.thread % 8] + w, self.thread, False)
            self.set(reg, x, np.ones(self.THREADS, bool))

    def mma(self, args, kind, shape):
        d, a, b, c = ([r.strip() for r in x.strip("{}").split(",")] for x in args)
        k = int(shape.split("k")[1])
        elements = self.pairs if k == 16 else lambda x: [x.view(F)]
        for warp in range(self.THREADS // 32):
            lanes = np.arange(32)
            g, t, at = lanes // 4, lanes % 4, slice(32 * warp, 32 * warp + 32)
            A, B, C = np.zeros((16, k)), np.zeros((k, 8)), np.zeros((16, 8))
            n = 2 if k == 16 else 1
            for i, reg in enumerate(a):
                for h, x in enumerate(elements(self.regs[reg][at])):
                    A[g + 8 * (i % 2), n * t + h + k // 2 * (i // 2)] = x
            for i, reg in enumerate(b):
                for h, x in enumerate(elements(self.regs[reg][at])):
                    B[n * t + h + k // 2 * i, g] = x
            for i, reg in enumerate(c):
                C[g + 8 * (i // 2), 2 * t + i % 2] = self.regs[reg][at].view(F)
            C = (C + A @ B).astype(F)
            for i, reg in enumerate(d):
                new = self.regs[reg].copy()
                new[at] = C[g + 8 * (i // 2), 2 * t + i % 2].view(U)
                self.regs[reg] = new

    @staticmethod
    def pairs(x):
        return [(x << U(16)).view(F), (x & U(0xFFFF0000)).view(F)]


def launch(file, name, grid, arrays):
    """Runs all blocks; arrays are f32 (or words), written in place."""
    entries, shared, size = parse((HERE / file).read_text())
    bounds = np.cumsum([0] + [a.size for a in arrays])
    memory = np.concatenate([a.reshape(-1).view(U) for a in arrays])
    for y in range(grid[1]):
        for x in range(grid[0]):
            Block(entries[name], [4 * int(b) for b in bounds[:-1]], memory, (x, y), shared, size).run()
    for a, lo, hi in zip(arrays, bounds, bounds[1:]):
        a.reshape(-1).view(U)[:] = memory[lo:hi]


# The tile programs, operation by operation.

def exp(x):
    n = np.rint(FLOAT["mul"](x, F(1.4426950408889634)))
    r = fma(n, F(2.1219444e-4), fma(n, F(-0.6933594), x))
    p = F(1.9875691e-4)
    for c in (1.3981999e-3, 8.333452e-3, 4.1665796e-2, 1.6666665e-1, 0.5):
        p = fma(p, r, F(c))
    p = FLOAT["add"](fma(p, FLOAT["mul"](r, r), r), F(1))
    y = (p.view(np.int32) + (np.nan_to_num(np.clip(n, -1000, 1000)).astype(np.int32) << 23)).view(F)
    return np.where(x < F(-87.33654), F(0), np.where(x > F(88.72283), F(np.inf), y))


def fold_tree(op, start, x):
    acc = np.full(x.shape[:-1] + (16,), start, F)
    for c in range(x.shape[-1]):
        acc[..., c % 16] = op(acc[..., c % 16], x[..., c])
    for half in (8, 4, 2, 1):
        acc = op(acc[..., :half], acc[..., half:2 * half])
    return acc


def contract(acc, a, b):
    for k in range(a.shape[-1]):
        acc = fma(a[..., :, k, None], b[..., None, k, :], acc)
    return acc


def softmax(x):
    e = exp(FLOAT["sub"](x, fold_tree(np.maximum, -np.inf, x)))
    return FLOAT["div"](e, fold_tree(FLOAT["add"], 0, e))


def attention(q, k, v):
    out, lse = np.zeros_like(q), np.zeros(q.shape[:2], F)
    for i in range(0, q.shape[1], 32):
        rows = q[:, i:i + 32]
        m, l, a = (np.full((len(q), 32, n), x, F) for n, x in ((1, -np.inf), (1, 0), (64, 0)))
        for j in range(0, i + 32, 32):
            s = contract(np.zeros((len(q), 32, 32), F), rows, k[:, j:j + 32].swapaxes(1, 2))
            keep = i + np.arange(32)[:, None] >= j + np.arange(32)
            s = np.where(keep, FLOAT["mul"](s, F(0.125)), F(-np.inf))
            top = np.maximum(m, fold_tree(np.maximum, -np.inf, s))
            p, scale = exp(FLOAT["sub"](s, top)), exp(FLOAT["sub"](m, top))
            l = fma(l, scale, fold_tree(FLOAT["add"], 0, p))
            a = contract(FLOAT["mul"](a, scale), p, v[:, j:j + 32])
            m = top
        out[:, i:i + 32] = FLOAT["div"](a, l)
        lse[:, i:i + 32] = (m + np.log(l.astype(np.float64)))[..., 0]
    return out, lse


def same_bits(name, got, want):
    assert np.array_equal(got.view(U), want.view(U)), f"{name}: {np.count_nonzero(got.view(U) != want.view(U))} of {got.size} differ"
    print(f"{name}: the bits of the tile program")


def close(name, got, want, bound):
    error = np.abs(got - want).max()
    assert error <= bound, f"{name}: {error} > {bound}"
    print(f"{name}: within {error:.2g} of float64")


def check_linear(random):
    x, w, b = (random.standard_normal(s).astype(F) for s in ((128, 512), (512, 512), 512))
    exact = np.maximum(x.astype(float) @ w + b, 0)
    y = np.full((128, 512), np.nan, F)
    launch("linear.ptx", "linear", (16, 4), [x, w, b, y])
    chain = contract(np.broadcast_to(b, y.shape), x, w)
    same_bits("linear", y, np.where(chain > 0, chain, F(0)))
    close("linear", y, exact, 1e-4)
    y[:] = np.nan
    launch("linear_tf32.ptx", "linear_tf32", (16, 4), [x, w, b, y])
    close("linear_tf32", y, exact, 0.1)
    round_tf32 = lambda v: ((v.view(U) + U(0x1000)) & U(0xFFFFE000)).view(F).astype(float)
    close("linear_tf32, of rounded operands", y, np.maximum(round_tf32(x) @ round_tf32(w) + b, 0), 1e-4)
    half = lambda v: (v.view(U) >> U(16)).astype(np.uint16)
    wide = lambda v: (half(v).astype(U) << U(16)).view(F).astype(float)
    y[:] = np.nan
    launch("linear_bf16.ptx", "linear_bf16", (16, 4), [half(x).view(U), half(w).view(U), b, y])
    close("linear_bf16, of its operands", y, np.maximum(wide(x) @ wide(w) + b, 0), 1e-4)


def check_softmax(random):
    x = (random.standard_normal((256, 512)) * 8).astype(F)
    x[3, 7], x[4, :], x[5, 9] = -np.inf, 0, 200
    want = softmax(x)
    wide = np.exp(x - x.max(1, keepdims=True).astype(float))
    for name, grid in (("softmax_block", (256, 1)), ("softmax_rows", (32, 1))):
        y = np.full_like(x, np.nan)
        launch("softmax.ptx", name, grid, [x, y])
        same_bits(name, y, want)
        close(name, y, wide / wide.sum(1, keepdims=True), 1e-6)


def check_attention(random):
    q, k, v = (random.standard_normal((16, 256, 64)).astype(F) for _ in range(3))
    o, lse = np.full_like(q, np.nan), np.full((16, 256), np.nan, F)
    launch("attention.ptx", "attention", (8, 16), [q, k, v, o, lse])
    want, want_lse = attention(q, k, v)
    same_bits("attention", o, want)
    s = q.astype(float) @ k.swapaxes(1, 2) / 8
    s = np.where(np.tri(256, dtype=bool), s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    close("attention", o, e / e.sum(-1, keepdims=True) @ v, 1e-5)
    close("attention lse", lse, np.log(e.sum(-1)) + s.max(-1), 1e-5)


if __name__ == "__main__":
    np.seterr(all="ignore")     # infinities and wrapping are part of the programs
    check_linear(np.random.default_rng(1))
    check_softmax(np.random.default_rng(2))
    check_attention(np.random.default_rng(3))
