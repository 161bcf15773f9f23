"""Killing or stopping one process of a job, and what is then to be seen: the others end in time, and one message names it."""

import os
import shutil
import signal
import sys
import tempfile
import time

import mpi_job


def sendTo(members, victim, sent):
    try:
        os.kill(members[victim].pid, sent)
        return True
    except (KeyError, ProcessLookupError):
        return False


def secondsUntilOthersEnd(members, victim, atMost=60):
    began = time.monotonic()
    others = [member.pid for rank, member in members.items() if rank != victim]
    while any(mpi_job.isRunning(pid) for pid in others) and time.monotonic() - began < atMost:
        time.sleep(0.01)
    return time.monotonic() - began


def statusOf(job, members, victim):
    """mpirun's, or None where it does not end. When all others are gone, nobody is left to see that the last one is stopped."""
    began = time.monotonic()
    while job.poll() is None and time.monotonic() - began < 30:
        running = [rank for rank, member in members.items() if mpi_job.isRunning(member.pid)]
        if running == [victim] and time.monotonic() - began > 3:
            os.kill(members[victim].pid, signal.SIGCONT)
        time.sleep(0.05)
    return job.poll()


class Death:
    """A job of which one process died: mpirun's status, whether the process was there, and what was said and left."""

    def __init__(self, command, count, victim, delay, sent, inSteps=True):
        """`delay` seconds after all processes are there, or, if it is to be in the middle of steps, have loaded the plan."""
        with tempfile.TemporaryFile() as errors:
            job = mpi_job.start(command, errors)
            try:
                self.members = mpi_job.membersOf(job, count)
                if inSteps:
                    mpi_job.awaitFabric(self.members)
                time.sleep(delay)
                self.hit = sendTo(self.members, victim, sent)
                self.seconds = secondsUntilOthersEnd(self.members, victim)
                self.status = statusOf(job, self.members, victim)
            finally:
                try:
                    os.killpg(job.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            errors.seek(0)
            self.said = errors.read().decode(errors="replace")
        self.messages = mpi_job.messagesOf(self.said)
        # What was killed may take a moment to be gone.
        secondsUntilOthersEnd(self.members, None, 5)
        self.running = [member.pid for member in self.members.values() if mpi_job.isRunning(member.pid)]
        self.left = mpi_job.leftovers(job, self.members)
        # A process that dies while MPI starts or ends makes mpirun of Open MPI 4.1.4 crash or hang once in a while.
        self.launcherFailed = self.status is None or self.status < 0
        if self.launcherFailed:
            print(f"mpirun itself failed ({self.status}), and left {self.left}", file=sys.stderr)
            for path in self.left:
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
