"""One process of an MPI job is killed or stopped, at any moment: the others end in time, one message names it, nothing remains.

With SHARDWRIGHT_FULL=1 fifty times on eight processes, else a few times on four. The seed of the moments is printed.
"""

import os
import random
import signal
import sys
import tempfile
import time
import unittest

import given_models
import mpi_job
from one_death import Death

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
SEED = int(os.environ.get("SHARDWRIGHT_SEED", time.time_ns() % 1000000))
DEADLINE_S = 2
NAMED = r"^shardrun: rank {victim}: process {victim} \(pid .* is dead.*: .* it was last in step .*, tensor '"
# When, after all processes are there: while they start and load, or around their end; after they have loaded: in their steps.
DELAYS_S = {"start": (0, 0.8), "steps": (0.7, 1.7), "end": (0.3, 1.1)}


class DeathsTest(given_models.GivenModels):
    def setUp(self):
        self.random = random.Random(SEED)
        print(f"SHARDWRIGHT_SEED={SEED}", file=sys.stderr)
        self.plan = self.compile("gpt2", "--mesh", "dp=2,pp=2,tp=2" if FULL else "pp=2,tp=2")
        self.count = 8 if FULL else 4

    def test_one_that_is_killed_ends_all_in_time(self):
        phases = ["start", "steps", "end"] * 8 + ["steps"] if FULL else ["start", "steps", "end"]
        self.endInPhases(phases, signal.SIGKILL)

    def test_one_that_is_stopped_ends_all_in_time(self):
        phases = ["start", "steps", "end"] * 8 + ["steps"] if FULL else ["steps", "start"]
        self.endInPhases(phases, signal.SIGSTOP)

    def test_over_mpi_one_that_dies_ends_all_too(self):
        """Which may take the launcher with it, when a process dies while MPI starts or ends."""
        self.endInPhases(["start", "steps", "end"] if FULL else ["steps"], signal.SIGKILL, "mpi")
        self.endInPhases(["start", "steps", "end"] if FULL else ["start"], signal.SIGSTOP, "mpi")

    def test_where_all_are_stopped_together_one_says_so(self):
        """As batch systems do with a job that makes way for another one."""
        command = mpi_job.mpirun(self.count, self.plan, "--data", self.dataOf("gpt2"), "--repeat", "1000000", "--timeout", str(DEADLINE_S))
        with tempfile.TemporaryFile() as errors:
            job = mpi_job.start(command, errors)
            members = mpi_job.membersOf(job, self.count)
            mpi_job.awaitFabric(members)
            time.sleep(0.5)
            for sent, pause in [(signal.SIGSTOP, DEADLINE_S + 1), (signal.SIGCONT, 0)]:
                for member in members.values():
                    os.kill(member.pid, sent)
                time.sleep(pause)
            self.assertEqual(job.wait(60), 3)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        self.assertEqual(len(mpi_job.messagesOf(said)), 1, said)
        self.assertIn("process 0 on ", said)
        self.assertIn("longer than the timeout of 2000 ms", said)

    def endInPhases(self, phases, sent, world="auto"):
        for number, phase in enumerate(phases):
            victim = self.random.randrange(self.count)
            delay = self.random.uniform(*DELAYS_S[phase])
            with self.subTest(number=number, phase=phase, victim=victim, delay=delay, signal=sent.name):
                self.endOne(phase, victim, delay, sent, world)

    def endOne(self, phase, victim, delay, sent, world):
        repeats = "1000000" if phase != "end" else str(self.random.choice([1, 20, 100]))
        command = mpi_job.mpirun(self.count, self.plan, "--data", self.dataOf("gpt2"), "--check", "--repeat", repeats, "--timeout", str(DEADLINE_S),
                                "--world", world)
        death = Death(command, self.count, victim, delay, sent, inSteps=phase == "steps")
        self.assertEqual(death.running, [])
        self.assertLess(death.seconds, DEADLINE_S + 1 if FULL else 60, death.said)
        if death.launcherFailed and world == "mpi":
            return self.assertLessEqual(len(death.messages), 1, death.said)
        self.assertFalse(death.launcherFailed, death.said)
        self.assertEqual(death.left, [], f"status {death.status}: {death.said}")
        if death.status == 0 and phase == "end":  # it had done its part
            return self.assertEqual(death.messages, [], death.said)
        self.assertTrue(death.hit, death.said)
        self.assertNotEqual(death.status, 0, death.said)
        # Before a process meets the others, and after its farewell, nobody but mpirun sees it killed.
        if phase != "steps" and sent == signal.SIGKILL and not death.messages:
            return self.assertIn(f"process rank {victim} ", death.said)
        self.assertEqual(len(death.messages), 1, death.said)
        self.assertRegex(death.messages[0], rf"\bprocess {victim}\b", death.said)
        if phase == "steps":
            self.assertRegex(death.messages[0], NAMED.format(victim=victim), death.said)


if __name__ == "__main__":
    unittest.main()
