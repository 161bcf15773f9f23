"""The runner counts what ran, and takes no silence for success."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import run_suites

GTEST_REPORT = """<testsuites><testsuite name="Plan">
<testcase name="a" status="run" classname="Plan"/>
<testcase name="b" status="run" classname="Plan"><failure message="x"/></testcase>
<testcase name="c" status="run" classname="Plan"><skipped message="x"/></testcase>
<testcase name="d" status="notrun" classname="Plan"/>
</testsuite></testsuites>"""


class RunSuites(unittest.TestCase):
    def setUp(self):
        self.tally = run_suites.Tally()

    def counts(self):
        return self.tally.passed, self.tally.skipped, self.tally.failures

    def testGtestReport(self):
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "unit_plan.xml"
            report.write_text(GTEST_REPORT)
            run_suites.addGtestReport(self.tally, "unit_plan", report)
        self.assertEqual((1, 1, ["unit_plan: Plan.b"]), self.counts())

    def testGtestProgramWithoutReport(self):
        run_suites.addGtestReport(self.tally, "unit_plan", pathlib.Path("missing.xml"))
        self.assertEqual((0, 0, ["unit_plan: ended without a report"]), self.counts())

    def testUnittestThatRanNothing(self):
        run_suites.addUnittestOutput(self.tally, "x_test.py", 0, "\nRan 0 tests in 0.000s\n\nOK\n")
        self.assertEqual((0, 0, ["x_test.py: ran no test"]), self.counts())

    def testUnittestWithFailuresAndSkips(self):
        output = "FAIL: testA (x_test.X.testA)\nERROR: testB (x_test.X.testB)\nRan 5 tests in 1.2s\n\nFAILED (failures=1, errors=1, skipped=1)\n"
        run_suites.addUnittestOutput(self.tally, "x_test.py", 1, output)
        self.assertEqual((2, 1, ["x_test.py: testA (x_test.X.testA)", "x_test.py: testB (x_test.X.testB)"]), self.counts())

    def testUnittestKilledAfterItsTests(self):
        run_suites.addUnittestOutput(self.tally, "x_test.py", -11, "Ran 2 tests in 0.1s\n\nOK\n")
        self.assertEqual((1, 0, ["x_test.py: exit status -11"]), self.counts())

    def testStopsWhatDoesNotEnd(self):
        status, output = run_suites.runForAtMost(0.5, ["sh", "-c", "echo begun; sleep 60 & wait"], None, None)
        self.assertIsNone(status)
        self.assertEqual("begun\n", output)


if __name__ == "__main__":
    unittest.main()
