"""Two hosts on one machine: two sets of namespaces (network, host name, IPC, mounts), a cable between them, and mpirun over both.

Each has its own address, /dev/shm and /tmp; what jobs need of /tmp is seen in both, as on a file system that hosts share.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import built_tools
import mpi_job

NAMES = ["sw-east", "sw-west"]
KINDS = ["--net", "--uts", "--ipc", "--mount"]


def refusal():
    """Why this machine gives no such hosts; None if it does."""
    for tool in ["unshare", "nsenter", "ip", "mpirun"]:
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    tried = subprocess.run(["unshare", *KINDS, "ip", "link", "add", "sw0", "type", "veth", "peer", "name", "sw1"], capture_output=True, text=True)
    return None if tried.returncode == 0 else "namespaces are not to be had: " + tried.stderr.strip()


class TwoHosts:
    """While entered, the hosts exist. `shared`: folders that both see."""

    def __init__(self, *shared):
        self.shared = [str(pathlib.Path(path).resolve()) for path in (*shared, built_tools.ROOT, built_tools.BIN.parent)]

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-hosts-"))
        self.shared.append(str(self.folder))
        names = "127.0.0.1 localhost\n" + "".join(f"{self.address(i)} {name}\n" for i, name in enumerate(NAMES))
        (self.folder / "hosts").write_text(names)
        self.hosts = []
        try:
            for name in NAMES:
                self.hosts.append(self.startHost(name))
            self.inside(0, "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", str(self.hosts[1].pid))
            for number in range(2):
                self.inside(number, "ip", "link", "set", "lo", "up")
                self.inside(number, "ip", "addr", "add", self.address(number) + "/24", "dev", "wire")
                self.inside(number, "ip", "link", "set", "wire", "up")
            self.writeAgent()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stdin.close()  # it ends then, and with the last process of its namespaces these
            host.stdout.close()
            host.wait(10)
        shutil.rmtree(self.folder)

    def address(self, number):
        return f"10.213.7.{number + 1}"

    def startHost(self, name):
        """A process that holds the namespaces for as long as its standard input is open."""
        binds = "".join(f'mkdir -p "/mnt{path[4:]}"; mount --bind "{path}" "/mnt{path[4:]}"; ' for path in self.shared if path.startswith("/tmp/"))
        script = (f"set -e; hostname {name}; mount --bind {self.folder}/hosts /etc/hosts; mount -t tmpfs tmpfs /dev/shm; "
                  f"mount -t tmpfs tmpfs /mnt; {binds} mount --move /mnt /tmp; echo ready; exec cat")
        host = subprocess.Popen(["unshare", *KINDS, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if host.stdout.readline() != "ready\n":
            raise RuntimeError(f"host {name} did not start")
        return host

    def entering(self, number):
        return ["nsenter", "--target", str(self.hosts[number].pid), *KINDS]

    def inside(self, number, *command):
        return subprocess.run([*self.entering(number), *command], check=True, capture_output=True, text=True).stdout

    def writeAgent(self):
        """What mpirun takes for ssh: OPTIONS HOST COMMAND…"""
        self.agent = self.folder / "agent"
        cases = "".join(f'{name}) exec {" ".join(self.entering(number))} sh -c "$*";; ' for number, name in enumerate(NAMES))
        self.agent.write_text(f'#!/bin/sh\nwhile [ "${{1#-}}" != "$1" ]; do shift; done\nhost=$1; shift\ncase $host in {cases} esac\nexit 1\n')
        self.agent.chmod(0o755)

    def mpirun(self, counts, *arguments, options=()):
        """mpirun on the first host: counts[i] processes on host i, the first ones on the first host."""
        hosts = ",".join(f"{name}:{count}" for name, count in zip(NAMES, counts))
        across = ["--host", hosts, "--mca", "plm_rsh_agent", self.agent, "--mca", "orte_keep_fqdn_hostnames", "1", "--wdir", "/", "-x", mpi_job.MARKER]
        return [*self.entering(0), *mpi_job.mpirun(sum(counts), *arguments, options=[*across, *options])]

    def processesOn(self, number):
        """Beside the one that holds the host."""
        holder = self.hosts[number].pid
        space = os.readlink(f"/proc/{holder}/ns/net")
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(path / "ns" / "net") == space and int(path.name) != holder and mpi_job.isRunning(path.name):
                    found.append((path / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def leftovers(self):
        """Processes, shared memory and session files that jobs have left on either."""
        found = []
        for number in range(2):
            files = self.inside(number, "sh", "-c", "ls -d /dev/shm/* /tmp/ompi.*/* 2>/dev/null || true").split()
            found += [f"{NAMES[number]}: {what}" for what in self.processesOn(number) + files]
        return found


if __name__ == "__main__":
    sys.exit(refusal())
