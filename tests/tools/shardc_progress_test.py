"""What shardc says while it works: nothing where nobody reads along; a line for each thing with -v; on a terminal one line that
changes, and is gone in the end."""

import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
MODEL = ROOT / "tests" / "models" / "falcon" / "model.onnx"


class ShardcProgressTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-progress-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def command(self, *options):
        return [BIN / "shardc", MODEL, "-o", self.folder / "plan", "--mesh", "tp=2", *options]

    def test_nothing_without_a_terminal(self):
        run = subprocess.run(self.command(), capture_output=True, text=True, timeout=60)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_a_line_for_each_thing_where_it_is_asked_for(self):
        run = subprocess.run(self.command("-v"), capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        said = run.stderr.splitlines()
        for line in said:
            self.assertRegex(line, r"^ *[0-9]+\.[0-9] s  \S")
        things = [line.split(" s  ")[1] for line in said]
        order = [things.index(thing) for thing in (f"reading {MODEL}", "infer-shapes", "choose-strategies", "select-steps", "compiling loops")]
        self.assertEqual(order, sorted(order))
        self.assertRegex(things[-1], r"^weights: ([0-9]+) of \1 MiB$")

    def test_one_line_on_a_terminal(self):
        main, terminal = pty.openpty()
        run = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        seen = b""
        try:
            while chunk := os.read(main, 4096):
                seen += chunk
        except OSError:  # the other end is closed
            pass
        self.assertEqual(run.wait(60), 0)
        self.assertEqual(run.stdout.read(), b"")
        run.stdout.close()
        os.close(main)
        self.assertIn(b"choose-strategies", seen)
        self.assertNotIn(b"\n", seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-80:])
        self.assertGreater(len(re.findall(rb"\r\x1b\[K", seen)), 5)


if __name__ == "__main__":
    unittest.main()
