#!/bin/sh
# Assembles the kernels of this folder for sm_75, sm_80 and sm_90 and prints what each needs: registers, shared memory,
# spills. Then runs them in emulate.py against the tile programs' arithmetic. Usage: check.sh [folder for the venv]
set -eu
venv=${1:-${TMPDIR:-/tmp}/nnc-ptxas}
here=$(cd "$(dirname "$0")" && pwd)
cubin=$(mktemp)
trap 'rm -f "$cubin"' EXIT

if [ ! -x "$venv/bin/pip" ]; then python3 -m venv "$venv"; fi
"$venv/bin/pip" install --quiet --no-deps nvidia-cuda-nvcc==13.0.88 numpy
ptxas=$(find "$venv" -path '*/nvidia/cu13/bin/ptxas')

failed=0
for file in "$here"/*.ptx; do
    target=$(sed -n 's/^\.target sm_//p' "$file")
    for arch in 75 80 90; do
        if [ "$arch" -lt "$target" ]; then continue; fi
        echo "== $(basename "$file"), sm_$arch"
        if report=$("$ptxas" -arch="sm_$arch" -v -warn-spills "$file" -o "$cubin" 2>&1); then
            echo "$report" | grep -E 'Compiling|spill|Used' | sed 's/^ptxas info *: //'
        else
            echo "$report"
            failed=1
        fi
    done
done
"$venv/bin/python" "$here/emulate.py" || failed=1
exit $failed
