#!/usr/bin/env bash
# Sets the machine up, builds, and runs a pretrained sentence encoder (all-MiniLM-L6-v2) on one device and on two
# tensor-parallel ranks. Takes a few minutes after the first time. What it makes lies in build/release and build/quickstart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
step() { printf '\n=== %s\n' "$*"; }

step "Set-up"
tools/setup/bootstrap.sh
. tools/setup/env.sh

step "Build (release)"
cmake --preset release >/dev/null
cmake --build --preset release --target shardc shardrun shardview -- -j "$(nproc)"
export PATH="$PWD/build/release/bin:$PATH"

step "The model: a graph, with its weights beside it in the checkpoint's own safetensors file"
work=build/quickstart
weights="$SHARDWRIGHT_CACHE/minilm-0.1.0"
rm -rf "$work"
mkdir -p "$work"
cp tests/models/minilm/model.onnx "$work/"
ln "$weights/model.safetensors" "$work/" 2>/dev/null || cp "$weights/model.safetensors" "$work/"
ls -lhL "$work"

step "The sentences, as tokens"
python samples/quickstart/tokenize_sentences.py "$weights/vocab.txt" samples/quickstart/sentences.txt "$work/inputs"

step "Compile for one device, and for two tensor-parallel ranks"
shardc "$work/model.onnx" -o "$work/whole"
shardc "$work/model.onnx" -o "$work/sharded" --mesh tp=2

step "Run both"
shardrun "$work/whole" --data "$work/inputs" --outputs "$work/whole_outputs"
shardrun "$work/sharded" --data "$work/inputs" --outputs "$work/sharded_outputs"

step "Results"
python samples/quickstart/nearest_pair.py samples/quickstart/sentences.txt "$work/whole_outputs" "$work/sharded_outputs"

step "What each rank holds"
shardview "$work/sharded" --json | python samples/quickstart/weights_per_rank.py "$work/model.safetensors"

step "The plan of the two ranks"
shardview "$work/sharded"
