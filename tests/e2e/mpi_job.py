"""Starting shardrun by mpirun, finding the processes of such a job, and what it leaves behind."""

import os
import pathlib
import subprocess
import time
import uuid

import built_tools

MARKER = "SHARDWRIGHT_TEST_JOB"


def mpirun(count, *arguments, options=()):
    """mpirun as any user in any container may start it."""
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", *options, "-n", str(count), built_tools.BIN / "shardrun", *arguments]


def launch(count, *arguments, options=(), env=None):
    return subprocess.run(mpirun(count, *arguments, options=options), capture_output=True, text=True, timeout=300, env=env)


def messagesOf(stderr):
    return [line for line in stderr.splitlines() if line.startswith("shardrun: ")]


def isRunning(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


class Member:
    """One process of a job: its number there, its pid here, and the job's name."""

    def __init__(self, pid, environment):
        self.pid = pid
        self.rank = int(environment["OMPI_COMM_WORLD_RANK"])
        self.job = int(environment.get("PMIX_NAMESPACE", 0))


def start(command, errors):
    """A job in the background, in a session of its own; its processes are found by what their environment says."""
    marker = uuid.uuid4().hex
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                           env={**os.environ, MARKER: marker})
    job.marker = marker
    return job


def membersOf(job, count, seconds=60):
    """The processes of a job by number, wherever they run, as soon as all are there; fewer if it ends before."""
    until = time.monotonic() + seconds
    found = {}
    while len(found) < count and time.monotonic() < until and job.poll() is None:
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                entries = path.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            if environment.get(MARKER) == job.marker and "OMPI_COMM_WORLD_RANK" in environment:
                member = Member(int(path.parent.name), environment)
                found[member.rank] = member
    return found


def awaitFabric(members, seconds=60):
    """Until every process has met its neighbours in the memory that they share, as it does when it has read the plan."""
    until = time.monotonic() + seconds
    waiting = set(member.pid for member in members.values())
    while waiting and time.monotonic() < until:
        waiting = {pid for pid in waiting if isRunning(pid) and "memfd:shardwright" not in mapsOf(pid)}
        time.sleep(0.02)


def mapsOf(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def leftovers(job, members):
    """What the job has left in the places where MPI libraries put shared memory and session files."""
    ids = {f"{member.job:x}" for member in members.values()} - {"0"}
    shared = ["/dev/shm/" + name for name in os.listdir("/dev/shm") if any(part in ids for part in name.split("."))]
    sessions = [str(path) for path in pathlib.Path("/tmp").glob(f"ompi.*/pid.{job.pid}")]
    return shared + sessions
