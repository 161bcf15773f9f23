#!/usr/bin/env python3
"""Checks that no file includes against the layers of the house. Prints each violation; exit status 1 when there is any.

    check_layers.py [ROOT]
"""

import pathlib
import re
import sys

# From the floor up. Folders of one line are one layer: they may include one another, but never both ways. A file may have a
# floor of its own, below its folder's: loop_nest.h is plain data, the language in which rows and passes speak to codegen.
RUNTIME = [["runtime/base"], ["runtime/plan"], ["runtime/kernels"], ["runtime/device"], ["runtime/comm"], ["runtime/exec"], ["runtime/session"]]
COMPILER = [["runtime/base", "runtime/plan"], ["compiler/onnx", "compiler/dist", "compiler/codegen/loop_nest.h"], ["compiler/ops"], ["compiler/analysis", "compiler/target"],
            ["compiler/codegen", "compiler/emit"], ["passes"]]
RUNTIME_TOOLS = ["tools/shardrun", "tools/shardview"]

FOREIGN_TO_RUNTIME = re.compile(r"(mlir|mlir-c|llvm|llvm-c|lld|onnx)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]|^\s*import\s+"([^"]+)"\s*;', re.MULTILINE)
SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".td", ".proto", ".inc"}


def layerOf(path, line):
    """The number of the layer that holds the path in one of the two lines, and its folder; None outside of the line."""
    for number, folders in enumerate(line):
        for folder in folders:
            if path == folder or path.startswith(folder + "/"):
                return number, folder
    return None


def allowedLines(path):
    """The layers that a file may include from, each as (line, highest layer)."""
    if path.startswith(tuple(tool + suffix for tool in RUNTIME_TOOLS for suffix in (".", "_", "/"))):
        return [(RUNTIME, len(RUNTIME))]
    if path.startswith("runtime/"):
        layer = layerOf(path, RUNTIME)
        return [(RUNTIME, layer[0])] if layer else []
    layer = layerOf(path, COMPILER)
    if layer:
        return [(COMPILER, layer[0])]
    return [(RUNTIME, len(RUNTIME)), (COMPILER, len(COMPILER))]


def complaint(path, included):
    """Why the file may not include that, or None."""
    lines = allowedLines(path)
    runtimeOnly = all(line is RUNTIME for line, _ in lines)
    if runtimeOnly and FOREIGN_TO_RUNTIME.match(included):
        return "the runtime knows neither MLIR, LLVM nor ONNX"
    if not included.startswith(("runtime/", "compiler/", "passes/", "tools/")):
        return None
    if path.startswith("tools/") and included.startswith("tools/"):
        return None
    for line, highest in lines:
        layer = layerOf(included, line)
        if layer and layer[0] <= highest:
            return None
    return "that is above it, or not on its line of layers"


def check(root):
    """All violations below the root, as lines of text."""
    violations = []
    edges = {}
    for top in ("runtime", "compiler", "passes", "tools"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            path = file.relative_to(root).as_posix()
            text = file.read_text(errors="replace")
            for match in INCLUDE.finditer(text):
                included = match.group(1) or match.group(2)
                where = f"{path}:{text.count(chr(10), 0, match.start(match.lastindex)) + 1}: includes {included}"
                reason = complaint(path, included)
                if reason:
                    violations.append(f"{where}: {reason}")
                source, target = layerOf(path, COMPILER), layerOf(included, COMPILER)
                if source and target and source[0] == target[0] and source[1] != target[1]:
                    edges[(source[1], target[1])] = where
    for (source, target), where in edges.items():
        if source < target and (target, source) in edges:
            violations.append(f"{where}: and {edges[(target, source)]}: folders of one layer may not include each other both ways")
    return violations


def main(arguments):
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parents[2]
    violations = check(root)
    print("\n".join(violations) if violations else "layers: no include against them")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
