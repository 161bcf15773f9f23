#!/usr/bin/env bash
# Everything that run.sh runs, with the long tests (SHARDWRIGHT_FULL=1 in their environment), and the unit tests under the
# sanitizers. Takes hours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup/bootstrap.sh
. tools/setup/env.sh
for preset in dev asan tsan; do
  cmake --preset "$preset"
  cmake --build --preset "$preset" -- -j "$(nproc)"
done
export SHARDWRIGHT_FULL=1
# MLIR's library is not instrumented: what our code takes for it from its arenas would count as poisoned.
export ASAN_OPTIONS=allow_user_poisoning=0
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp ignore_noninstrumented_modules=1"
exec python tests/run_suites.py dev asan:unit tsan:unit
