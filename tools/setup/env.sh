# Sourced: where bootstrap.sh keeps what it makes, and its cmake, lit and python first in PATH.
export SHARDWRIGHT_CACHE="${SHARDWRIGHT_CACHE:-$HOME/.cache/shardwright}"
case ":$PATH:" in
  *":$SHARDWRIGHT_CACHE/venv/bin:"*) ;;
  *) export PATH="$SHARDWRIGHT_CACHE/venv/bin:$PATH" ;;
esac
