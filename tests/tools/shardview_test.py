"""shardview on a hand-written plan, whose file is made here from its text, independently of our own writer."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def planFile(name, version=1):
    text = (ROOT / "tests/unit/runtime/plan/plans" / (name + ".textproto")).read_bytes()
    command = ["protoc", f"-I{ROOT}", "--encode=shardwright.plan.Plan", "runtime/plan/plan.proto"]
    payload = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, check=True).stdout
    head = b"SHWDPLAN" + struct.pack("<I", version)
    return head + struct.pack("<I", crc32c(head + payload)) + payload


def shardview(*arguments):
    return subprocess.run([BIN / "shardview", *arguments], capture_output=True, text=True, timeout=60)


class ShardviewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-shardview-"))
        cls.bytes = planFile("pipeline")
        cls.plan = cls.write("plan", cls.bytes)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def write(cls, name, data):
        (cls.folder / name).mkdir()
        (cls.folder / name / "plan.pb").write_bytes(data)
        return cls.folder / name

    def refused(self, status, part, *arguments):
        result = shardview(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(part, result.stderr)

    def test_the_summary_shows_mesh_ranks_and_collectives(self):
        result = shardview(self.plan)
        self.assertEqual(result.returncode, 0, result.stderr)
        for part in ["  1      0      9      0 B           320 B ", "  sends to stage 1: whole 224 B\n",
                     "pp=2, tp=2: 4 ranks", "x  float32[batch, 7]  whole", "2 all-gather", "stage 1: 9 steps"]:
            self.assertIn(part, result.stdout)

    def test_json_holds_the_fixed_keys(self):
        view = json.loads(shardview(self.plan, "--json").stdout)
        self.assertEqual(view["mesh"], {"pp": 2, "tp": 2})
        self.assertEqual(view["stages"], 2)
        self.assertEqual(view["outputs"][1]["shape"], ["batch", 7])
        self.assertEqual([r["stage"] for r in view["ranks"]], [0, 0, 1, 1])
        self.assertEqual(view["collectives"][1]["permute"], {"count": 2, "bytes": 2 * 4 * 7 * 4})
        send = view["steps"][0][3]
        self.assertEqual([send[key] for key in ("kind", "op", "value", "peerStage")], ["transfer", "send", "whole", 1])
        self.assertGreater(view["predictedSeconds"], 0)

    def test_one_rank_and_its_steps(self):
        text = shardview(self.plan, "--rank", "2", "--steps").stdout
        self.assertIn("receive.wait", text)
        self.assertNotIn("\nstage 0", text)
        self.assertIn("receives from stage 0: h 224 B", text)
        self.refused(2, "ranks 0 to 3", self.plan, "--rank", "4")
        self.refused(2, "--rank", self.plan, "--rank", "-1")

    def test_damage_and_other_versions_are_refused(self):
        self.refused(2, "version 9", self.write("other", planFile("pipeline", version=9)))
        middle = len(self.bytes) // 2
        flipped = self.bytes[:middle] + bytes([self.bytes[middle] ^ 4]) + self.bytes[middle + 1:]
        self.refused(2, "is damaged", self.write("flipped", flipped))
        self.refused(2, "is damaged", self.write("short", self.bytes[:-3]))
        self.refused(2, "is not a plan", self.write("garbage", b"garbage"))
        self.refused(2, "No such file", self.folder / "absent")

    def test_verify_checks_kernels_too(self):
        self.refused(1, "P19", self.plan, "--verify")  # its kernels' attributes are made up

    def test_a_trace_of_something_else_is_refused(self):
        trace = self.folder / "t.json"
        for text, message in [("{", "is not JSON to its end"), ('{"traceEvents": [], "otherData": {"plan": "12345678"}}', "is of plan 12345678")]:
            trace.write_text(text)
            self.refused(2, message, self.plan, "--trace", trace)
        self.refused(2, "No such file", self.plan, "--trace", self.folder / "absent")

    def test_options_that_are_not_built_say_so(self):
        self.refused(2, "not built yet", self.plan, "--html", self.folder / "x.html")
        self.refused(2, "PLAN", "--json")


if __name__ == "__main__":
    unittest.main()
