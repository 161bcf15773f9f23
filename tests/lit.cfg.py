"""lit's view of the tests: every .mlir file below tests/ is one, with the build's tools and LLVM's FileCheck in PATH."""

import os
import pathlib

import lit.formats

root = pathlib.Path(__file__).resolve().parent
build = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", root.parent / "build" / "dev"))

config.name = "shardwright"
config.test_format = lit.formats.ShTest()
config.suffixes = [".mlir"]
config.test_source_root = str(root)
config.test_exec_root = str(build / "tests" / "lit")
config.environment["PATH"] = os.pathsep.join([str(build / "bin"), "/usr/lib/llvm-19/bin", os.environ["PATH"]])
