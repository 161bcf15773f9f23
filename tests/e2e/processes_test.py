"""Plans run by the processes of an MPI job: they give the bits that one process gives, end alike, and end in time with one
message when one of them dies or hangs. With SHARDWRIGHT_FULL=1 more models, more meshes, and 50 deaths.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import built_tools
import given_models

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
MESHES = ["pp=2,tp=2", "dp=2,tp=2"]
DEATHS = 50 if FULL else 4
DEADLINE_S = 2


def mpirun(count, *arguments):
    """mpirun as any user in any container may start it."""
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(count), built_tools.BIN / "shardrun", *arguments]


def launch(count, *arguments):
    return subprocess.run(mpirun(count, *arguments), capture_output=True, text=True, timeout=300)


def messagesOf(stderr):
    return [line for line in stderr.splitlines() if line.startswith("shardrun: ")]


class ProcessesTest(given_models.GivenModels):
    def compile(self, model, *options):
        plan = self.folder / "plan"
        compiled = built_tools.runTool("shardc", self.modelPath(model), "-o", plan, *options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return plan

    def dataOf(self, model):
        return built_tools.ROOT / "tests" / "models" / model / "test_data_set_0"

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

    def test_one_that_dies_or_hangs_ends_all_in_time(self):
        plan = self.compile("gpt2", "--mesh", "dp=2,pp=2,tp=2" if FULL else "pp=2,tp=2")
        count = 8 if FULL else 4
        before = set(os.listdir("/dev/shm"))
        for number in range(DEATHS):
            victim, sent = number % count, [signal.SIGKILL, signal.SIGSTOP][number // 2 % 2]
            # Shared memory notices nothing when a process dies; sockets do, and the library may then hang on them.
            sockets = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self"} if FULL and number % 2 else {}
            with self.subTest(victim=victim, signal=sent.name, **sockets):
                self.endOne(plan, count, victim, sent, sockets)
                self.assertEqual(set(os.listdir("/dev/shm")), before)

    def endOne(self, plan, count, victim, sent, environment):
        with tempfile.TemporaryFile() as errors:
            job = subprocess.Popen(mpirun(count, plan, "--data", self.dataOf("gpt2"), "--repeat", "1000000", "--timeout", str(DEADLINE_S)),
                                   stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True, env={**os.environ, **environment})
            try:
                processes = self.processesOf(job, count)
                time.sleep(random.uniform(0, 0.5))
                os.kill(processes[victim], sent)
                began = time.monotonic()
                others = [pid for rank, pid in processes.items() if rank != victim]
                while any(isRunning(pid) for pid in others) and time.monotonic() - began < 60:
                    time.sleep(0.02)
                took = time.monotonic() - began
                self.assertNotEqual(job.wait(60), 0)
            finally:
                try:
                    os.killpg(job.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        self.assertLess(took, DEADLINE_S + 1 if FULL else 60, said)
        self.assertFalse([pid for pid in processes.values() if isRunning(pid)])
        messages = messagesOf(said)
        self.assertEqual(len(messages), 1, said)
        self.assertRegex(messages[0], rf"rank {victim}: process {victim} .* is dead or stuck: .* it was last in step .*, tensor '")

    def processesOf(self, job, count):
        """By rank, once all are in the middle of runs: they have used processor time beyond the start."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = {}
            for path in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if int((path / "stat").read_text().rsplit(")", 1)[1].split()[1]) != job.pid:
                        continue
                    environment = dict(entry.split("=", 1) for entry in (path / "environ").read_text().split("\0") if "=" in entry)
                    tasks = len(list((path / "task").iterdir()))
                except (OSError, ValueError, IndexError):
                    continue
                if "OMPI_COMM_WORLD_RANK" in environment:
                    found[int(environment["OMPI_COMM_WORLD_RANK"])] = (int(path.name), tasks)
            # The threads of the ranks start last.
            if len(found) == count and len({tasks for _, tasks in found.values()}) == 1 and job.poll() is None:
                time.sleep(0.7)
                return {rank: pid for rank, (pid, _) in found.items()}
            time.sleep(0.05)
        self.fail(f"{count} processes did not start")


def isRunning(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
