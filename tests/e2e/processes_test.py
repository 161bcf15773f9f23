"""Plans run by the processes of an MPI job: they give the bits that one process gives, and end alike. With SHARDWRIGHT_FULL=1 more
models and more meshes.
"""

import json
import os
import shutil
import unittest

import built_tools
import given_models
from mpi_job import launch, messagesOf

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
MESHES = ["pp=2,tp=2", "dp=2,tp=2"]


class ProcessesTest(given_models.GivenModels):
    def checkEqual(self, model, mesh, counts, microbatches=2):
        """The outputs are as expected, and bit for bit what one process writes."""
        plan = self.compile(model, "--mesh", mesh, "--microbatches", str(microbatches))
        alone = self.folder / "alone"
        run = built_tools.runTool("shardrun", plan, "--data", self.dataOf(model), "--outputs", alone)
        self.assertEqual(run.returncode, 0, run.stderr)
        for count in counts:
            outputs, report = self.folder / "outputs", self.folder / "report.json"
            run = launch(count, plan, "--data", self.dataOf(model), "--check", "--repeat", "3", "--outputs", outputs, "--json", report)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            written = sorted(path.name for path in alone.iterdir())
            self.assertEqual(sorted(path.name for path in outputs.iterdir()), written)
            for name in written:
                self.assertEqual((outputs / name).read_bytes(), (alone / name).read_bytes(), f"{name} of {count} processes")
            self.assertEqual(run.stdout.count("runs: median"), 1, run.stdout)
            counted = json.loads(report.read_text())
            ranks = counted["ranks"]
            self.assertEqual(counted["mpiBytes"], 0, "the processes of one host share memory")
            self.assertEqual(counted["mpiBytes"], sum(rank["mpiBytes"] for rank in ranks))
            self.assertTrue(all(rank["peakBytes"] > 0 and rank["weightBytes"] > 0 for rank in ranks), ranks)
            shutil.rmtree(outputs)
        shutil.rmtree(alone)

    def test_a_process_per_rank_and_several_ranks_per_process(self):
        for model in given_models.MODELS if FULL else ["gpt2", "llama"]:
            for mesh in MESHES:
                with self.subTest(model=model, mesh=mesh):
                    self.checkEqual(model, mesh, [4, 3, 2] if FULL else [4])
        self.checkEqual("gpt2", MESHES[0], [3, 2])

    def test_eight_processes(self):
        self.checkEqual("gpt2", "dp=2,pp=2,tp=2", [8])

    def test_a_trace_has_the_steps_of_every_rank(self):
        plan = self.compile("gpt2", "--mesh", "pp=2,tp=2")
        trace = self.folder / "trace.json"
        run = launch(4, plan, "--data", self.dataOf("gpt2"), "--repeat", "2", "--trace", trace)
        self.assertEqual(run.returncode, 0, run.stderr)
        events = json.loads(trace.read_text())
        events = events["traceEvents"] if isinstance(events, dict) else events
        for rank in range(4):
            runs = {event["args"]["run"] for event in events if event["ph"] == "X" and event["tid"] == rank}
            self.assertEqual(len(runs), 2, f"rank {rank}")

    def test_all_end_alike_with_one_message(self):
        plan = self.compile("gpt2", "--mesh", "tp=2")
        cases = [
            (3, [plan], 2, "has 2 ranks, and 3 processes were started"),
            (2, [self.folder / "none"], 2, "none"),
            (2, [plan, "--data", self.folder / "none"], 2, "none"),
            (2, [plan, "--check"], 2, "--check needs --data"),
            (2, [plan, "--data", self.dataOf("gpt2"), "--check", "--rtol", "0", "--atol", "1e-30"], 1, "elements are wrong"),
        ]
        for count, arguments, status, text in cases:
            with self.subTest(text=text):
                run = launch(count, *arguments)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertEqual(len(messagesOf(run.stderr)), 1, run.stderr)
                self.assertIn(text, run.stderr)

    def test_a_missing_file_of_one_rank_ends_all(self):
        plan = self.compile("gpt2", "--mesh", "tp=2")
        max((plan / "weights").iterdir()).unlink()
        run = launch(2, plan, "--data", self.dataOf("gpt2"))
        self.assertIn(run.returncode, (2, 3), run.stderr)
        self.assertEqual(len(messagesOf(run.stderr)), 1, run.stderr)


if __name__ == "__main__":
    unittest.main()
