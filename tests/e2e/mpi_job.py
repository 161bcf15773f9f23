"""Starting shardrun by mpirun, finding the processes of such a job, and what it leaves behind."""

import os
import pathlib
import subprocess
import time

import built_tools


def mpirun(count, *arguments, options=()):
    """mpirun as any user in any container may start it."""
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", *options, "-n", str(count), built_tools.BIN / "shardrun", *arguments]


def launch(count, *arguments, options=(), env=None):
    return subprocess.run(mpirun(count, *arguments, options=options), capture_output=True, text=True, timeout=300, env=env)


def messagesOf(stderr):
    return [line for line in stderr.splitlines() if line.startswith("shardrun: ")]


def statusOf(pid):
    """The state's letter and the parent; nothing where there is no such process."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return fields[0], int(fields[1])
    except (OSError, IndexError):
        return None, None


def isRunning(pid):
    return statusOf(pid)[0] not in (None, "Z", "X")


def descendants(pid):
    """All processes that one has started, of any depth."""
    parents = {int(path.name): statusOf(path.name)[1] for path in pathlib.Path("/proc").glob("[0-9]*")}
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


class Member:
    """One process of a job: its number there, its pid here, and the job's name."""

    def __init__(self, pid, environment):
        self.pid = pid
        self.rank = int(environment["OMPI_COMM_WORLD_RANK"])
        self.job = int(environment.get("PMIX_NAMESPACE", 0))


def membersOf(job, count, seconds=60):
    """The processes of a job by number, as soon as all are there; fewer if it ends before."""
    until = time.monotonic() + seconds
    found = {}
    while len(found) < count and time.monotonic() < until and job.poll() is None:
        for pid in descendants(job.pid):
            try:
                entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            if "OMPI_COMM_WORLD_RANK" in environment:
                member = Member(pid, environment)
                found[member.rank] = member
    return found


def leftovers(job, members):
    """What the job has left in the places where MPI libraries put shared memory and session files."""
    ids = {f"{member.job:x}" for member in members.values()} - {"0"}
    shared = [name for name in os.listdir("/dev/shm") if any(part in ids for part in name.split("."))]
    sessions = [str(path) for path in pathlib.Path("/tmp").glob(f"ompi.*/pid.{job.pid}")]
    return shared + sessions
