#!/usr/bin/env python3
"""Seconds per epoch of examples/mnist_cnn.nn beside the same model in PyTorch (channels-last, data in memory).

Usage: epoch.py [--nnc target/release/nnc] [--threads 2] [--rounds 3]
Needs examples/data/fetch-mnist.sh to have run, and torch. Rounds alternate; an epoch is 55,000 rows, batch 64.
"""
import argparse, json, pathlib, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def nnc(binary, threads):
    with tempfile.TemporaryDirectory() as runs:
        command = [binary, "train", str(ROOT / "examples/mnist_cnn.nn"), "--set", "epochs=1", "--runs", runs,
                   "--threads", str(threads)]
        subprocess.run(command, check=True, capture_output=True)
        log = next(pathlib.Path(runs).glob("*/log.jsonl")).read_text().splitlines()
    events = [json.loads(line) for line in log]
    return next(e["seconds"] for e in events if e["reason"] == "epoch")


def torch_epoch(threads):
    import numpy as np
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    data = ROOT / "examples/data/mnist"
    pixels = np.frombuffer((data / "train-images-idx3-ubyte").read_bytes(), "uint8", offset=16).reshape(-1, 1, 28, 28)
    labels = np.frombuffer((data / "train-labels-idx1-ubyte").read_bytes(), "uint8", offset=8)
    x = (torch.from_numpy(pixels[:55000].astype("float32")) / 255).to(memory_format=torch.channels_last)
    y = torch.from_numpy(labels[:55000].astype("int64"))
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10))
    model = model.to(memory_format=torch.channels_last)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    started = time.perf_counter()
    order = torch.randperm(len(x))
    for rows in order.split(64):
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        opt.step()
    return time.perf_counter() - started


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--nnc", default=str(ROOT / "target/release/nnc"))
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--child", action="store_true")
    a = ap.parse_args()
    if a.child:
        print(torch_epoch(a.threads))
        return
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(nnc(a.nnc, a.threads))
        child = [sys.executable, __file__, "--child", "--threads", str(a.threads)]
        theirs.append(float(subprocess.run(child, check=True, capture_output=True, text=True).stdout))
    print(f"nnc (with validation) {ours} s\nPyTorch channels-last {theirs} s")
    print(f"ratio of the medians {statistics.median(ours) / statistics.median(theirs):.3f}")


if __name__ == "__main__":
    main()
