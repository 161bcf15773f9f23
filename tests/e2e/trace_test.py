"""Traces of real runs, in one process and in several: what trace viewers require of the format, that every rank's actions and
bytes are there, and what shardview says of them."""

import json
import subprocess
import unittest

import built_tools
import given_models

CASES = [("pp=4", 4, "gpipe"), ("pp=4", 4, "1f1b"), ("pp=4", 4, "interleaved:2"), ("dp=2,pp=2,tp=2", 2, "gpipe"), ("tp=2", 1, "gpipe")]
RUNS = 2


class TraceTest(given_models.GivenModels):
    def compile(self, mesh, microbatches, schedule):
        plan = self.folder / f"{mesh}-{schedule}"
        compiled = built_tools.runTool("shardc", self.modelPath("gpt2"), "-o", plan, "--mesh", mesh, "--microbatches", microbatches,
                                       "--schedule", schedule, "--assume", "batch=4", "--assume", "sequence=7")
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return plan

    def view(self, plan, *arguments):
        shown = built_tools.runTool("shardview", plan, *arguments)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return shown.stdout

    def checkFormat(self, events):
        """The Trace Event Format's rules for metadata and complete events; on each thread events lie in one another or apart."""
        names, threads = {}, {}
        for event in events:
            self.assertIn(event["ph"], "MX")
            self.assertIsInstance(event["pid"], int)
            self.assertIsInstance(event["tid"], int)
            where = (event["pid"], event["tid"])
            if event["ph"] == "M":
                self.assertIn(event["name"], ("process_name", "thread_name"))
                names[event["name"], event["pid"], event["tid"] if event["name"] == "thread_name" else None] = event["args"]["name"]
                continue
            self.assertIsInstance(event["name"], str)
            self.assertTrue(event["cat"])
            self.assertGreaterEqual(event["ts"], 0)
            self.assertGreaterEqual(event["dur"], 0)
            threads.setdefault(where, []).append(event)
        for (pid, tid), thread in threads.items():
            self.assertIn(("process_name", pid, None), names)
            self.assertIn(f"rank {tid} (", names["thread_name", pid, tid])
            around, before = [], 0
            for event in thread:
                begin, end = round(event["ts"] * 1e3), round((event["ts"] + event["dur"]) * 1e3)
                self.assertGreaterEqual(begin, before, event)
                before = begin
                while around and around[-1] <= begin:
                    around.pop()
                if around:
                    self.assertLessEqual(end, around[-1], event)
                around.append(end)
        return threads

    def checkRunsApart(self, events, clockError):
        """No rank begins a run while another one is in the last."""
        runs = sorted({event["args"]["run"] for event in events})
        for last, run in zip(runs, runs[1:]):
            end = max(event["ts"] + event["dur"] for event in events if event["args"]["run"] == last)
            begin = min(event["ts"] for event in events if event["args"]["run"] == run)
            self.assertGreaterEqual(begin, end - 2 * clockError)

    def checkTrace(self, plan, trace):
        plan, view = plan, json.loads(self.view(plan, "--json"))
        content = json.loads(trace.read_text())
        threads = self.checkFormat(content["traceEvents"])
        self.assertEqual(sorted(threads), sorted((rank["stage"], rank["rank"]) for rank in view["ranks"]))
        chunks = 2 if view.get("schedule") == "interleaved" else 1
        actions = sorted((microbatch, chunk) for microbatch in range(view["microbatches"]) for chunk in range(chunks))
        for (stage, rank), events in threads.items():
            runs = {event["args"]["run"] for event in events}
            self.assertEqual(len(runs), RUNS)
            for run in runs:
                ofRun = [event for event in events if event["args"]["run"] == run]
                self.assertEqual({event["args"]["stage"] for event in ofRun}, {stage})
                found = [(event["args"]["microbatch"], event["args"]["chunk"]) for event in ofRun if event["cat"] == "chunk"]
                self.assertEqual(sorted(found), actions)
                first = rank == min(r["rank"] for r in view["ranks"] if r["stage"] == stage)
                for op, total in [*view["collectives"][stage].items(), *view["transfers"][stage].items()] if first else []:
                    bytesSeen = sum(event["args"].get("bytes", 0) for event in ofRun if event["args"].get("op") == op)
                    self.assertEqual(bytesSeen, total["bytes"], f"{op} of stage {stage}")
        self.checkRunsApart([event for events in threads.values() for event in events], content["otherData"]["clockErrorMicroseconds"])
        measured = json.loads(self.view(plan, "--trace", trace, "--json"))["measured"]
        self.assertEqual(measured["runs"], RUNS)
        self.assertTrue(0 <= measured["idleFraction"] < 1)
        self.assertEqual(len(measured["microbatches"]), view["microbatches"])
        text = self.view(plan, "--trace", trace)
        drawn = text[text.index("\nmeasured"):]
        self.assertEqual(drawn.count(" |"), len(view["ranks"]), drawn)
        return content

    def test_ranks_of_one_process(self):
        for mesh, microbatches, schedule in CASES:
            with self.subTest(mesh=mesh, schedule=schedule):
                plan = self.compile(mesh, str(microbatches), schedule)
                trace = self.folder / "trace.json"
                run = built_tools.runTool("shardrun", plan, "--warmup", "1", "--repeat", str(RUNS), "--trace", trace)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertIn("% idle", run.stdout)
                self.assertEqual(self.checkTrace(plan, trace)["otherData"]["clockErrorMicroseconds"], 0)

    def test_ranks_of_several_processes(self):
        plan = self.compile("dp=2,pp=2,tp=2", "2", "interleaved:2")
        for count in [8, 3]:
            trace = self.folder / "trace.json"
            run = subprocess.run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(count), built_tools.BIN / "shardrun", plan,
                                  "--warmup", "1", "--repeat", str(RUNS), "--trace", trace], capture_output=True, text=True, timeout=300)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            self.assertGreater(self.checkTrace(plan, trace)["otherData"]["clockErrorMicroseconds"], 0)

    def test_the_trace_of_another_plan_is_refused(self):
        plan, other = self.compile("pp=2", "2", "gpipe"), self.compile("pp=2,tp=2", "2", "gpipe")
        trace = self.folder / "trace.json"
        self.assertEqual(built_tools.runTool("shardrun", plan, "--trace", trace).returncode, 0)
        shown = built_tools.runTool("shardview", other, "--trace", trace)
        self.assertEqual(shown.returncode, 2)
        self.assertEqual(len(shown.stderr.splitlines()), 1)
        self.assertRegex(shown.stderr, r"trace.json: the trace is of plan [0-9a-f]{8}, and this one is [0-9a-f]{8}; write one with shardrun --trace")


if __name__ == "__main__":
    unittest.main()
