#!/usr/bin/env python3
"""Writes a checkpoint of T5-small's geometry (60.5 million parameters) with random weights, as transformers saves one.

Usage: pip install torch==2.15.0 transformers==5.24.0; python3 examples/data/make-t5-small.py [--out FOLDER] [--seed 1]

FOLDER (examples/data/t5-small) gets model.safetensors and config.json. The weights are those that T5 begins its
pre-training with. Token 0 pads and begins an answer, token 1 ends it.
"""
import argparse, pathlib
import torch
from transformers import T5Config, T5ForConditionalGeneration


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent / "t5-small")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    net = T5ForConditionalGeneration(T5Config(
        vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8, feed_forward_proj="relu",
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0))
    net.save_pretrained(a.out)
    print(f"{a.out}: {net.num_parameters():,} parameters")


if __name__ == "__main__":
    main()
