#!/usr/bin/env python3
"""Prints what is longer than makes one look twice: files, headers, functions, parameter lists, tools' mains. A longer one
with a reason is fine, so this never fails.

Functions are found by layout, not by parsing: clang-format puts a function's closing brace where its first line starts.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "compiler", "passes", "tools", "tests")
FILE_LINES, HEADER_LINES, FUNCTION_LINES, PARAMETERS, MAIN_LINES = 400, 200, 50, 6, 150


def functionsOf(lines):
    """(first line's number, length, header text) of each outermost function with a body over several lines."""
    number = 0
    while number < len(lines):
        header, end = headerFrom(lines, number)
        if header is None:
            number += 1
            continue
        indent = re.match(r"\s*", lines[number]).group()
        close = next((n for n in range(end + 1, len(lines)) if lines[n].startswith(indent + "}")), end)
        yield number + 1, close - number + 1, header
        number = close + 1


def headerFrom(lines, number):
    """The text from a line up to the brace that opens a function's body, if the line starts a function."""
    line = lines[number]
    if not re.match(r"\s{0,4}[\w:~<\[]", line) or re.match(
            r"\s*(namespace|class|struct|union|enum|extern|if|for|while|switch|else|do|return|case|using|typedef|template|public|private)\b", line):
        return None, 0
    text = ""
    for end in range(number, min(number + 12, len(lines))):
        text += lines[end].strip() + " "
        if lines[end].rstrip().endswith("{"):
            return (text, end) if "(" in text and not re.match(r"[^(]*=", text) else (None, 0)
        if lines[end].rstrip().endswith((";", "}", ":")) or lines[end].startswith("#"):
            return None, 0
    return None, 0


def parameterCount(header):
    """Commas of the first parameter list that are in no inner bracket, plus one."""
    start = header.index("(")
    depth, commas = 0, 0
    for character in header[start:]:
        depth += (character in "(<[{") - (character in ")>]}")
        commas += character == "," and depth == 1
        if depth == 0:
            break
    return commas + 1


def report(path, text):
    lines = text.splitlines()
    name = path.relative_to(ROOT).as_posix()
    isMain = path.parent == ROOT / "tools" and path.suffix == ".cc"
    limit = MAIN_LINES if isMain else HEADER_LINES if path.suffix == ".h" else FILE_LINES
    if len(lines) > limit:
        yield f"{name}: {len(lines)} lines (over {limit})"
    if path.suffix not in (".h", ".cc", ".cu"):
        return
    for first, length, header in functionsOf(lines):
        if length > FUNCTION_LINES and not header.startswith("TEST"):
            yield f"{name}:{first}: {length} lines in one function (over {FUNCTION_LINES}): {header[:80]}"
        if parameterCount(header) > PARAMETERS:
            yield f"{name}:{first}: {parameterCount(header)} parameters (over {PARAMETERS}): {header[:80]}"


def main():
    rows = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".cu", ".td", ".proto", ".py"):
                rows += report(path, path.read_text(errors="replace"))
    for row in rows:
        print(row)
    print(f"sizes: {len(rows)} to look at twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
