"""One process of an MPI job is killed or stopped, at any moment: the others end in time, one message names it, nothing remains.

With SHARDWRIGHT_FULL=1 fifty times on eight processes, else a few times on four. The seed of the moments is printed.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import given_models
import mpi_job

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
SEED = int(os.environ.get("SHARDWRIGHT_SEED", time.time_ns() % 1000000))
DEADLINE_S = 2
TCP = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self"}
# When, after all processes are there: while they start and load, between their steps, or around their end.
DELAYS_S = {"start": (0, 0.8), "steps": (1, 2), "end": (0.3, 1.1)}


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

    def endInPhases(self, phases, sent):
        for number, phase in enumerate(phases):
            victim = self.random.randrange(self.count)
            delay = self.random.uniform(*DELAYS_S[phase])
            # Shared memory notices nothing when a process dies; sockets do, and the library may then hang on them.
            sockets = self.random.random() < 0.5
            with self.subTest(number=number, phase=phase, victim=victim, delay=delay, signal=sent.name, sockets=sockets):
                self.endOne(phase, victim, delay, sent, TCP if sockets else {})

    def endOne(self, phase, victim, delay, sent, environment):
        repeats = "1000000" if phase != "end" else str(self.random.choice([1, 20, 100]))
        command = mpi_job.mpirun(self.count, self.plan, "--data", self.dataOf("gpt2"), "--check", "--repeat", repeats, "--timeout", str(DEADLINE_S))
        with tempfile.TemporaryFile() as errors:
            job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True, env={**os.environ, **environment})
            try:
                members = mpi_job.membersOf(job, self.count)
                time.sleep(delay)
                hit = self.send(members, victim, sent)
                took = self.waitForOthers(members, victim)
                status = self.statusOf(job, members, victim)
            finally:
                try:
                    os.killpg(job.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        self.assertFalse([member.pid for member in members.values() if mpi_job.isRunning(member.pid)])
        self.assertEqual(mpi_job.leftovers(job, members), [])
        self.assertLess(took, DEADLINE_S + 1 if FULL else 60, said)
        if status == 0 and phase == "end":  # it had done its part
            return self.assertEqual(mpi_job.messagesOf(said), [], said)
        self.assertTrue(hit, said)
        self.assertNotEqual(status, 0, said)
        self.checkMessage(phase, victim, sent, said)

    def checkMessage(self, phase, victim, sent, said):
        messages = mpi_job.messagesOf(said)
        # Before a process meets the others, and after its farewell, nobody but mpirun sees it killed.
        if phase != "steps" and sent == signal.SIGKILL and not messages:
            return self.assertIn(f"process rank {victim} ", said)
        self.assertEqual(len(messages), 1, said)
        self.assertRegex(messages[0], rf"\bprocess {victim}\b", said)
        if phase == "steps":
            self.assertRegex(messages[0], rf"^shardrun: rank {victim}: process {victim} \(pid .* is dead.*: .* it was last in step .*, tensor '", said)

    def send(self, members, victim, sent):
        try:
            os.kill(members[victim].pid, sent)
            return True
        except (KeyError, ProcessLookupError):
            return False

    def waitForOthers(self, members, victim):
        began = time.monotonic()
        others = [member.pid for rank, member in members.items() if rank != victim]
        while any(mpi_job.isRunning(pid) for pid in others) and time.monotonic() - began < 60:
            time.sleep(0.01)
        return time.monotonic() - began

    def statusOf(self, job, members, victim):
        """mpirun's. Of all others none is left to see that the last one is stopped at its very end."""
        until = time.monotonic() + 60
        while job.poll() is None and time.monotonic() < until:
            running = [rank for rank, member in members.items() if mpi_job.isRunning(member.pid)]
            if running == [victim] and time.monotonic() > until - 57:
                os.kill(members[victim].pid, signal.SIGCONT)
            time.sleep(0.05)
        return job.wait(1)


if __name__ == "__main__":
    unittest.main()
