#!/usr/bin/env bash
# Checks that the C++ is as clang-format-19 writes it; with --fix, makes it so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=(--dry-run --Werror)
if [ "${1:-}" = --fix ]; then mode=(-i); fi
find runtime compiler passes tools tests -type f \( -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 -r -n 32 -P "$(nproc)" clang-format-19 "${mode[@]}"
echo "format: done"
