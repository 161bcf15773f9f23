"""What tests share that run plans of the given models in the processes of an MPI job: that these give the bits of one process."""

import json
import shutil
import subprocess

import built_tools
import given_models


class ModelJobs(given_models.GivenModels):
    def bitsOf(self, plan, data):
        """The files that one process writes, by name."""
        folder = self.folder / "alone"
        run = built_tools.runTool("shardrun", plan, "--data", data, "--outputs", folder)
        self.assertEqual(run.returncode, 0, run.stderr)
        return self.takeFiles(folder)

    def takeFiles(self, folder):
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        shutil.rmtree(folder)
        return files

    def checkJob(self, command, model, plan, data, bits, transport):
        """command(arguments) starts the job. Its outputs are as expected, and these bits; its report is returned."""
        outputs, report = self.folder / "outputs", self.folder / "report.json"
        arguments = [plan, "--data", data, "--check", *self.limitsOf(model), "--repeat", "3", "--outputs", outputs, "--json", report]
        run = subprocess.run(command(arguments), capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        written = self.takeFiles(outputs)
        self.assertEqual(sorted(written), sorted(bits))
        for name, content in written.items():
            self.assertEqual(content, bits[name], name)
        self.assertEqual(run.stdout.count("runs: median"), 1, run.stdout)
        counted = json.loads(report.read_text())
        self.assertEqual(counted["messageBytes"], sum(rank["messageBytes"] for rank in counted["ranks"]))
        self.assertEqual(counted["transport"], transport)
        # What is told of the last process's ranks; others may have nothing of a small batch.
        last = counted["ranks"][-1]
        self.assertTrue(last["peakBytes"] > 0 and last["weightBytes"] > 0, counted["ranks"])
        return counted
