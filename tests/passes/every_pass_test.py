"""Every pass runs alone in shard-opt, under the name of its file, with tests of its behaviour and of its errors beside it."""

import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
NAME = re.compile(r'getArgument\(\) const final \{ return "([a-z-]+)"; \}')
FAILS = re.compile(r"emitError|signalPassFailure|complain\(")

PLAIN = """
func.func @main(%x: tensor<3x12xf32>, %w: tensor<12x5xf32>) -> tensor<5x3xf32> {
  %0 = "onnx.Gemm"(%x, %w) : (tensor<3x12xf32>, tensor<12x5xf32>) -> tensor<3x5xf32>
  %1 = "onnx.Softmax"(%0) {axis = 1 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %2 = "onnx.Transpose"(%1) {perm = array<i64: 1, 0>} : (tensor<3x5xf32>) -> tensor<5x3xf32>
  return %2 : tensor<5x3xf32>
}
"""


def passes(root):
    """(file, names of the passes in it) of every source below passes/."""
    files = sorted((root / "passes").rglob("*.cc"))
    return [(path, NAME.findall(path.read_text())) for path in files]


def missingTests(root):
    """What each pass lacks, a line each."""
    lines = []
    for path, names in passes(root):
        if not names:
            continue
        stem, phase = path.stem, path.parent.name
        if names != [stem.replace("_", "-")]:
            lines.append(f"{path.relative_to(root)}: holds {names}; a pass is named after its file")
        wanted = [f"{stem}.mlir"] + ([f"{stem}_errors.mlir"] if FAILS.search(path.read_text()) else [])
        for file in wanted:
            test = root / "tests" / "passes" / phase / file
            if not test.exists():
                lines.append(f"{path.relative_to(root)}: has no {test.relative_to(root)}")
            elif not re.search(rf"RUN:.*shard-opt.*--{names[0]}\b", test.read_text()):
                lines.append(f"{test.relative_to(root)}: does not run --{names[0]}")
    return lines


class EveryPassTest(unittest.TestCase):
    def test_every_pass_has_its_tests(self):
        self.assertEqual(missingTests(ROOT), [])

    def test_every_pass_is_in_shard_opt(self):
        names = [name for _, found in passes(ROOT) for name in found]
        self.assertGreater(len(names), 10)
        text = subprocess.run([BIN / "shard-opt", "--help"], capture_output=True, text=True, timeout=60).stdout
        for name in names:
            self.assertRegex(text, rf"--{name} ", f"{name} is not registered")

    def test_every_test_is_of_a_pass(self):
        for test in sorted((ROOT / "tests" / "passes").rglob("*.mlir")):
            names = [name for path, found in passes(ROOT) if path.parent.name == test.parent.name for name in found]
            commands = "".join(re.findall(r"RUN:.*", test.read_text()))
            self.assertTrue(any(f"--{name}" in commands for name in names), f"{test} runs no pass of its phase")

    def test_every_pass_copes_with_ir_that_others_have_not_prepared(self):
        """It does its work or says what is missing; either way it ends."""
        for _, found in passes(ROOT):
            for name in found:
                run = subprocess.run([BIN / "shard-opt", f"--{name}"], input=PLAIN, capture_output=True, text=True, timeout=60)
                self.assertIn(run.returncode, (0, 2), f"{name}: {run.stderr}")
                self.assertNotIn("Stack dump", run.stderr, name)
                self.assertEqual(run.returncode == 0, "error:" not in run.stderr, f"{name}: {run.stderr}")


if __name__ == "__main__":
    unittest.main()
