"""Plans run by the processes of an MPI job: they give the bits that one process gives, and end alike. With SHARDWRIGHT_FULL=1 more
models and more meshes.
"""

import json
import os
import subprocess
import unittest

import built_tools
import given_models
import model_jobs
from mpi_job import launch, messagesOf, mpirun

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
MESHES = ["pp=2,tp=2", "dp=2,tp=2"]


class ProcessesTest(model_jobs.ModelJobs):
    def checkEqual(self, model, mesh, counts, microbatches=2):
        plan, data = self.compile(model, "--mesh", mesh, "--microbatches", str(microbatches)), self.dataOf(model)
        bits = self.bitsOf(plan, data)
        for count in counts:
            with self.subTest(model=model, mesh=mesh, count=count):
                counted = self.checkJob(lambda arguments: mpirun(count, *arguments), model, plan, data, bits, "host sockets")
                self.assertEqual(counted["messageBytes"], 0, "the processes of one host share memory")

    def test_a_process_per_rank_and_several_ranks_per_process(self):
        for model in given_models.MODELS if FULL else ["gpt2", "llama"]:
            for mesh in MESHES:
                self.checkEqual(model, mesh, [4, 3, 2] if FULL else [4])
        self.checkEqual("gpt2", MESHES[0], [3, 2])

    def test_eight_processes(self):
        self.checkEqual("gpt2", "dp=2,pp=2,tp=2", [8])

    def test_messages_serve_where_the_system_gives_no_memory_in_common(self):
        plan, data = self.compile("gpt2", "--mesh", "pp=2,tp=2"), self.dataOf("gpt2")
        # Of all that runs, only the memory is a file of more than a GiB.
        for world, transport in [("auto", "host sockets"), ("mpi", "MPI")]:
            limited = lambda arguments: ["prlimit", f"--fsize={1 << 30}", *mpirun(4, *arguments, "--world", world)]
            counted = self.checkJob(limited, "gpt2", plan, data, self.bitsOf(plan, data), transport)
            self.assertGreater(counted["messageBytes"], 0)

    def test_several_programs_of_one_job_follow_each_other(self):
        """A process may begin the next one while others still end the last one."""
        plan, data = self.compile("gpt2", "--mesh", "pp=2,tp=2"), self.dataOf("gpt2")
        once = f"'{built_tools.BIN}/shardrun' '{plan}' --data '{data}' --check"
        run = subprocess.run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "4", "sh", "-c", f"{once} && {once} && {once}"],
                             capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(run.stdout.count("1 run: "), 3, run.stdout)

    def test_on_one_host_srun_needs_no_mpi(self):
        plan, data = self.compile("gpt2", "--mesh", "pp=2,tp=2"), self.dataOf("gpt2")
        bits = self.bitsOf(plan, data)
        step = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "3", "SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NUM_NODES": "1"}
        outputs = self.folder / "outputs"
        command = [built_tools.BIN / "shardrun", plan, "--data", data, "--check", "--outputs", outputs]
        tasks = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, **step, "SLURM_PROCID": str(task)}) for task in range(3)]
        said = [task.communicate(timeout=300)[0] for task in tasks]
        self.assertEqual([task.returncode for task in tasks], [0, 0, 0], said)
        self.assertIn("1 run: ", said[0])
        self.assertEqual(said[1:], ["", ""])
        self.assertEqual(self.takeFiles(outputs), bits)

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
            (2, [plan, "--no-such-option"], 2, "--no-such-option"),
            (2, [plan, "--repeat", "0"], 2, "--repeat"),
            (2, [], 2, "PLAN"),
            (2, [plan, "--data", self.dataOf("gpt2"), "--check", "--rtol", "0", "--atol", "1e-30"], 1, "elements are wrong"),
        ]
        for count, arguments, status, text in cases:
            with self.subTest(text=text):
                run = launch(count, *arguments)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertEqual(len(messagesOf(run.stderr)), 1, run.stderr)
                self.assertIn(text, run.stderr)

    def test_one_process_shows_the_help_and_the_version(self):
        for option, text in [("--help", "Usage: shardrun"), ("--version", "shardrun ")]:
            run = launch(3, option)
            self.assertEqual((run.returncode, run.stdout.count(text)), (0, 1), run.stdout + run.stderr)

    def test_a_missing_file_of_one_rank_ends_all(self):
        plan = self.compile("gpt2", "--mesh", "tp=2")
        max((plan / "weights").iterdir()).unlink()
        run = launch(2, plan, "--data", self.dataOf("gpt2"))
        self.assertIn(run.returncode, (2, 3), run.stderr)
        self.assertEqual(len(messagesOf(run.stderr)), 1, run.stderr)


if __name__ == "__main__":
    unittest.main()
