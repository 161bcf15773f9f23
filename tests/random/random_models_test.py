"""Random graphs, compiled without a mesh, against ONNX Runtime."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev"))
SEED = 500001
COUNT = 1000 if os.environ.get("SHARDWRIGHT_FULL") else 60


def readTensors(folder, kind):
    tensors = {}
    for path in folder.glob(f"{kind}_*.pb"):
        proto = onnx.TensorProto.FromString(path.read_bytes())
        tensors[proto.name] = numpy_helper.to_array(proto)
    return tensors


class RandomModelsTest(unittest.TestCase):
    def test_equal_onnxruntime(self):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        with tempfile.TemporaryDirectory(prefix="shardwright-random-") as folder:
            command = [BUILD / "tests" / "random_graphs", f"--seed={SEED}", f"--count={COUNT}", f"--keep={folder}"]
            run = subprocess.run([*command, "--gtest_filter=*sharded*"], capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            kept = sorted(pathlib.Path(folder).iterdir())
            self.assertEqual(len(kept), COUNT)
            for case in kept:
                with self.subTest(seed=SEED + int(case.name)):
                    session = onnxruntime.InferenceSession(case / "model.onnx", options, providers=["CPUExecutionProvider"])
                    self.compare(session, case)

    def compare(self, session, case):
        lines = [line.split() for line in (case / "case.txt").read_text().splitlines()]
        tolerances = {line[1]: float(line[2]) for line in lines if line[0] == "output"}
        for data in case.glob("test_data_set_*"):
            found = readTensors(data, "output")
            expected = session.run(list(found), readTensors(data, "input"))
            for name, value in zip(found, expected):
                difference = np.abs(found[name].astype(np.float64) - value.astype(np.float64))
                self.assertEqual(found[name].shape, value.shape, name)
                self.assertLessEqual(difference.max(initial=0), 2 * tolerances[name], name)


if __name__ == "__main__":
    unittest.main()
