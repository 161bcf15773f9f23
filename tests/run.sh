#!/usr/bin/env bash
# Sets the machine up, builds and runs the tests. The last line is "N passed, M failed"; the exit status is 0 only when
# nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup/bootstrap.sh
. tools/setup/env.sh
cmake --preset dev
cmake --build --preset dev -- -j "$(nproc)"
exec python tests/run_suites.py dev
