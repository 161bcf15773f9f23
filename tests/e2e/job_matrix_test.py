"""Pipelines of the given models as MPI jobs, a process per rank or fewer, on one host or over two: the bits of one process.

With SHARDWRIGHT_FULL=1 a third of all models × meshes × microbatches × schedules, each of which is there equally often.
"""

import itertools
import os
import unittest

import mpi_job
import model_jobs
import two_hosts

MODELS = ["gpt2", "llama", "minilm", "vit", "resnet", "mixtral"]
RANKS = {"pp=2": 2, "pp=3": 3, "pp=2,tp=2": 4, "dp=2,pp=2": 4, "dp=2,pp=2,tp=2": 8}
MICROBATCHES = [1, 2, 4]
SCHEDULES = ["gpipe", "1f1b", "interleaved"]
REFUSAL = two_hosts.refusal()


def aThird():
    """Each pair of values of two of the four is there."""
    for m, (k, mesh), b, s in itertools.product(range(6), enumerate(RANKS), range(3), range(3)):
        if (m + k + b + s) % 3 == 0:
            yield MODELS[m], mesh, MICROBATCHES[b], SCHEDULES[s], (m + k + b) % 2 == 0


CASES = [("vit", "pp=3", 2, "1f1b", False), ("resnet", "dp=2,pp=2", 4, "interleaved", False), ("minilm", "dp=2,pp=2,tp=2", 2, "gpipe", True)]
if os.environ.get("SHARDWRIGHT_FULL"):
    CASES = list(aThird())


class JobMatrixTest(model_jobs.ModelJobs):
    def checkCase(self, model, mesh, microbatches, schedule, spread):
        plan = self.compile(model, "--mesh", mesh, "--microbatches", str(microbatches), "--schedule", schedule)
        data = self.dataOf(model, 1)  # a batch of three
        bits = self.bitsOf(plan, data)
        ranks = RANKS[mesh]
        # What is not spread over hosts goes over MPI on one of them.
        world, transport = ("auto", "host sockets") if spread else ("mpi", "MPI")
        for count in {ranks, min(ranks, 4)}:
            self.checkJob(lambda arguments: mpi_job.mpirun(count, *arguments, "--world", world), model, plan, data, bits, transport)
        if not spread or REFUSAL:
            return
        with two_hosts.TwoHosts(self.folder) as hosts:
            self.checkJob(lambda arguments: hosts.mpirun([(ranks + 1) // 2, ranks // 2], *arguments), model, plan, data, bits, "MPI")
            self.assertEqual(hosts.leftovers(), [])


def addTest(case):
    name = "test_" + "_".join(str(part) for part in case[:4]).replace("=", "").replace(",", "_") + ("_on_two_hosts" if case[4] else "")
    setattr(JobMatrixTest, name, lambda self: self.checkCase(*case))


for oneCase in CASES:
    addTest(oneCase)

if __name__ == "__main__":
    unittest.main()
