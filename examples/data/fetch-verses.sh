#!/usr/bin/env bash
# Brings the verses of the King James and the Reina-Valera (1909) Bibles that have at most twenty words in both languages to
# examples/data/verses/pairs.tsv: `reference`, `english`, `spanish`.
# Source: Debian's sword-text-kjv, sword-text-sparv and diatheke, installed where they are missing.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/verses-1/.complete" ]; then
  command -v diatheke >/dev/null && diatheke -b system -k modulelist | grep spaRV1909eb >/dev/null ||
    { apt-get update -q && apt-get install -y -q sword-text-kjv sword-text-sparv diatheke; } >&2
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/out"
  diatheke -b engKJV2006eb -f plain -k Gen-Rev >"$work/english"
  diatheke -b spaRV1909eb -f plain -k Gen-Rev >"$work/spanish"
  python3 - "$work" <<'PY'
import re, sys
work = sys.argv[1]

def verses(language):
    found, last = {}, None
    for line in open(f"{work}/{language}", encoding="utf-8"):
        start = re.match(r"\s*(\S.*? \d+:\d+): (.*)", line)
        if start:
            last = start[1]
            found[last] = start[2]
        elif last and not line.startswith("("):
            found[last] += " " + line
    clean = lambda text: re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()
    return {reference: clean(text) for reference, text in found.items()}

english, spanish = verses("english"), verses("spanish")
count = 0
with open(f"{work}/out/pairs.tsv", "w", newline="\n") as file:
    print("reference\tenglish\tspanish", file=file)
    for reference, text in english.items():
        other = spanish.get(reference, "")
        if 0 < len(text.split()) <= 20 and 0 < len(other.split()) <= 20:
            print(reference, text.replace("\t", " "), other.replace("\t", " "), sep="\t", file=file)
            count += 1
assert count > 8_000, f"only {count} pairs"
PY
  keep verses-1
fi
offer verses-1 verses
