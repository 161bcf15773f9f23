"""Where the repository and its built tools are, and running one of them."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"


def runTool(tool, *arguments, timeout=300):
    return subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, timeout=timeout)
