#!/usr/bin/env bash
# Brings JapaneseVowels (nine speakers, 270 + 370 utterances of 7 to 29 steps with 12 channels) to examples/data/vowels as
# train.jsonl and test.jsonl: {"series": [[…12 numbers…], …], "speaker": 0 to 8}.
# Source: the UCI archive's set as packed in PyPI's sktime 1.2.0, verified by checksum.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/vowels-1/.complete" ]; then
  pypi sktime==1.2.0 dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae
  mkdir "$work/out"
  python3 - "$work/sktime/datasets/data/JapaneseVowels" "$work/out" <<'PY'
import json, sys
source, out = sys.argv[1:]
for part in ["TRAIN", "TEST"]:
    lines = open(f"{source}/JapaneseVowels_{part}.ts").read().split("@data\n")[1].split()
    with open(f"{out}/{part.lower()}.jsonl", "w") as file:
        for line in lines:
            *channels, speaker = line.split(":")
            steps = zip(*[[float(x) for x in c.split(",")] for c in channels])
            print(json.dumps({"series": list(steps), "speaker": int(speaker) - 1}), file=file)
PY
  keep vowels-1
fi
offer vowels-1 vowels
