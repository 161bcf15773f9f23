"""Plans run by MPI jobs over two hosts, which are two sets of namespaces: the bits of one process; MPI carries what crosses hosts,
and nothing else; one that dies on either host ends all on both.
"""

import signal
import unittest

import mpi_job
import model_jobs
import two_hosts
from one_death import Death

REFUSAL = two_hosts.refusal()
BY_HOST, ALTERNATING = ["--map-by", "slot"], ["--map-by", "node"]
DEADLINE_S = 5


@unittest.skipIf(REFUSAL, REFUSAL)
class HostsTest(model_jobs.ModelJobs):
    def setUp(self):
        self.hosts = self.enterContext(two_hosts.TwoHosts(self.folder))

    def bytesSent(self, model, options, counts, mapping=BY_HOST, number=0):
        """The bytes that MPI carried, by rank that sent them."""
        plan, data = self.compile(model, *options), self.dataOf(model, number)
        counted = self.checkJob(lambda arguments: self.hosts.mpirun(counts, *arguments, options=mapping), model, plan, data, self.bitsOf(plan, data), "MPI")
        self.assertEqual(self.hosts.leftovers(), [])
        return [rank["messageBytes"] for rank in counted["ranks"]]

    def test_tensor_parallel_ranks_on_two_hosts_both_send(self):
        self.assertTrue(all(self.bytesSent("llama", ["--mesh", "tp=2"], [1, 1])))

    def test_of_pipeline_stages_on_two_hosts_the_first_sends(self):
        sent = self.bytesSent("gpt2", ["--mesh", "pp=2,tp=2", "--microbatches", "2", "--schedule", "gpipe"], [2, 2], number=1)
        self.assertEqual([bool(count) for count in sent], [True, True, False, False], sent)

    def test_data_parallel_ranks_of_a_host_send_nothing_to_the_other(self):
        self.assertEqual(sum(self.bytesSent("minilm", ["--mesh", "dp=2,pp=2"], [2, 2])), 0)

    def test_several_ranks_per_process_and_a_host_with_fewer(self):
        sent = self.bytesSent("mixtral", ["--mesh", "dp=2,pp=2,tp=2"], [2, 1], ALTERNATING, number=1)
        self.assertGreater(sum(sent), 0)

    def test_one_that_dies_on_the_other_host_ends_both(self):
        plan = self.compile("gpt2", "--mesh", "pp=2,tp=2", "--microbatches", "2")
        for victim, sent in [(3, signal.SIGKILL), (2, signal.SIGSTOP), (0, signal.SIGKILL)]:
            with self.subTest(victim=victim, signal=sent.name):
                command = self.hosts.mpirun([2, 2], plan, "--data", self.dataOf("gpt2"), "--repeat", "1000000", "--timeout", str(DEADLINE_S))
                death = Death(command, 4, victim, 1, sent)
                self.assertEqual(death.running + death.left + self.hosts.leftovers(), [], death.said)
                self.assertNotEqual(death.status, 0)
                self.assertEqual(len(death.messages), 1, death.said)
                host = two_hosts.NAMES[victim // 2]
                self.assertRegex(death.messages[0], rf"^shardrun: rank {victim}: process {victim} \(pid \d+ on {host}\) is dead.*: .* it was last in step .*, tensor '")


if __name__ == "__main__":
    unittest.main()
