"""What is easily got wrong with Gearman: how a failure ends a job, what an abort costs its
neighbours, and several servers of which one is away."""

import json
import shutil
import subprocess
import sys

import harness
import peer
from gearman_peer import WORK_COMPLETE, WORK_FAIL, WORK_WARNING, Server, Waiting, perl, queue


class Case(harness.TestCase):
    def serve(self, start=True):
        server = Server(start)
        self.addCleanup(server.stop)
        return server


class Failures(Case):
    """gearmand ends a job at its exception, answers what comes behind it with an error, and leaves
    clients that asked for no exceptions without an end. So the error goes as a warning."""

    def test_a_client_is_told_the_error_and_of_the_failure_once(self):
        server = self.serve()
        daemon = self.daemon(queue=queue(server))

        for asks in (False, True):
            packets = Waiting(server.port, "Fail", {"message": "no"}, exceptions=asks).finish(daemon)

            self.assertEqual([kind for kind, _ in packets], [WORK_WARNING, WORK_FAIL])
            self.assertEqual(json.loads(packets[0][1])["message"], "no")

    def test_the_next_job_of_the_connection_is_not_hurt(self):
        server = self.serve()
        daemon = self.daemon(queue=queue(server))
        for n in range(20):
            Waiting(server.port, "Fail", {"n": n}, exceptions=n % 2 == 0).finish(daemon)
            self.assertEqual(Waiting(server.port, "Echo", n).finish(daemon),
                             [(WORK_COMPLETE, b"%d" % n)])

        self.assertEqual(daemon.find("queue down"), [])


class Aborts(Case):
    """Gearman gives a job back only with the connection that holds it."""

    def test_an_aborted_job_comes_back_at_once_and_takes_no_neighbour_with_it(self):
        server = self.serve()
        daemon = self.daemon(queue=queue(server), max_workers=3)
        neighbours = [Waiting(server.port, "Sleep", {"s": 2, "n": n}) for n in range(2)]
        daemon.wait_record("job", task="Sleep", count=2)

        once = str(daemon.folder / "once")
        aborted = Waiting(server.port, "Abort", {"requeue": True, "once": once})

        # Its caller never learns of the abort, and gets the result of the second try.
        self.assertEqual([kind for kind, _ in aborted.finish(daemon)], [WORK_COMPLETE])
        self.assertTrue(all(one.is_alive() for one in neighbours))
        for one in neighbours:
            self.assertEqual([kind for kind, _ in one.finish(daemon)], [WORK_COMPLETE])
        self.assertEqual(len(daemon.records("job", task="Abort")), 2)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 2)


class Servers(Case):
    def test_of_two_servers_the_living_one_is_served_and_fed(self):
        dead, living = self.serve(start=False), self.serve()

        daemon = self.daemon(queue=queue(dead, living))

        self.assertEqual(Waiting(living.port, "Echo", 1).finish(daemon), [(WORK_COMPLETE, b"1")])
        self.assertEqual(daemon.call("Echo", 2), 2)

    def test_a_server_that_comes_later_is_served_as_well(self):
        late, early = self.serve(start=False), self.serve()
        daemon = self.daemon(queue=queue(late, early))
        self.assertEqual(daemon.call("Echo", 1), 1)

        late.start()

        self.assertEqual(Waiting(late.port, "Echo", 2).finish(daemon), [(WORK_COMPLETE, b"2")])

    def test_a_server_that_dies_takes_only_its_own_jobs_along(self):
        one, other = self.serve(), self.serve()
        daemon = self.daemon(queue=queue(one, other), max_workers=2)
        lost = Waiting(one.port, "Sleep", {"s": 1})
        kept = Waiting(other.port, "Sleep", {"s": 1})
        daemon.wait_record("job", task="Sleep", count=2)

        one.stop()

        self.assertEqual([kind for kind, _ in kept.finish(daemon)], [WORK_COMPLETE])
        self.assertEqual(lost.finish(daemon), [])
        daemon.wait_counts(done=2)
        # Nobody was left to be told of the result of the one whose server died.
        daemon.wait_event("job completed late")
        self.assertEqual(Waiting(other.port, "Echo", 3).finish(daemon), [(WORK_COMPLETE, b"3")])


class Perl(Case):
    """Its own client and worker for Perl on the other side."""

    def test_a_client_has_its_jobs_done(self):
        server = self.serve()
        daemon = self.daemon(queue=queue(server))

        peer.run(self, *perl(server, "background", "Note", '{"from":"Perl"}'))

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "Perl"})
        self.assertEqual(peer.run(self, *perl(server, "call", "Echo", '{"n":1}')), '{"n":1}')

    def test_a_worker_does_our_job_and_its_result_comes_back(self):
        server = self.serve()
        daemon = self.daemon(queue=queue(server))
        worker = subprocess.Popen(perl(server, "serve", "Capitals"), stdin=subprocess.DEVNULL)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)

        self.assertEqual(daemon.call("Capitals", "abc"), "ABC")

        self.assertEqual(worker.wait(harness.DEADLINE), 0)


if __name__ == "__main__":
    if not shutil.which("gearmand"):
        print("SKIPPED: gearmand is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
