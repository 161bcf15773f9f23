#!/usr/bin/env bash
# Runs clang-tidy-19 over the files named, or over all of them (long), with build/dev's compile commands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ ! -e build/dev/compile_commands.json ]; then
  echo "tidy: configure first: cmake --preset dev" >&2
  exit 3
fi
if [ $# -eq 0 ]; then
  mapfile -t files < <(find runtime compiler passes tools -name '*.cc' | sort)
else
  files=("$@")
fi
printf '%s\0' "${files[@]}" | xargs -0 -r -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p build/dev
