"""shardc --list-ops: a table, without a model."""

import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"


class ListOpsTest(unittest.TestCase):
    def test_every_op_has_a_line(self):
        run = subprocess.run([BIN / "shardc", "--list-ops"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = run.stdout.splitlines()
        self.assertGreater(len(lines), 100)
        self.assertEqual(lines[0].split(), ["op", "becomes", "sharding", "rule"])
        self.assertIn("Add                             loop                    ..., ... -> ...", lines)


if __name__ == "__main__":
    unittest.main()
