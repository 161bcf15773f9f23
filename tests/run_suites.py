"""Runs the suites of a built tree and counts.

    run_suites.py PRESET[:SUITE,...]...     suites: lint, unit, lit, python; all of them where none is named

Every file that looks like a test must have run at least one: a runner that found nothing is a failure, not a success.
Python tests (tests/**/*_test.py, unittest) find the built tools in SHARDWRIGHT_BUILD/bin.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON_TEST_TIMEOUT_S = int(os.environ.get("SHARDWRIGHT_TEST_TIMEOUT_S", 4 * 3600 if os.environ.get("SHARDWRIGHT_FULL") else 1500))


class Tally:
    """How many tests passed, failed and were skipped; names the failed ones."""

    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []

    def add(self, passed=0, skipped=0, failures=()):
        self.passed += passed
        self.skipped += skipped
        self.failures += failures


def runLint(tally, build):
    """The checks of the sources, one test each."""
    checks = ["tools/lint/check_layers.py", "tools/lint/format.sh"]
    if os.environ.get("SHARDWRIGHT_FULL"):
        checks.append("tools/lint/tidy.sh")
    for check in checks:
        status = subprocess.run([ROOT / check], cwd=ROOT).returncode
        tally.add(passed=int(status == 0), failures=[check] if status else [])
    subprocess.run([ROOT / "tools/lint/size_report.py"], cwd=ROOT)


def runUnit(tally, build):
    """GoogleTest programs, through ctest; the counts come from their own reports, so that a crash is seen."""
    results = build / "tests" / "results"
    for old in results.glob("*.xml"):
        old.unlink()
    subprocess.run(["ctest", "--test-dir", build, "--output-on-failure", "-j", str(os.cpu_count())], cwd=ROOT)
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    for test in json.loads(listing.stdout)["tests"]:
        addGtestReport(tally, test["name"], results / (test["name"] + ".xml"))


def addGtestReport(tally, name, report):
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        tally.add(failures=[f"{name}: ended without a report"])
        return
    ran = [case for case in cases if case.get("status") == "run"]
    skipped = [case for case in ran if case.find("skipped") is not None]
    failed = [f"{name}: {case.get('classname')}.{case.get('name')}" for case in ran if case.find("failure") is not None]
    tally.add(len(ran) - len(skipped) - len(failed), len(skipped), failed if ran else [f"{name}: ran no test"])


def runLit(tally, build):
    """Every .mlir file below tests/."""
    files = [path for path in (ROOT / "tests").rglob("*.mlir")]
    if not files:
        return
    report = build / "tests" / "lit.json"
    report.unlink(missing_ok=True)
    subprocess.run(["lit", "-s", "-v", "--output", report, ROOT / "tests"], env={**os.environ, "SHARDWRIGHT_BUILD": str(build)})
    tests = json.loads(report.read_text())["tests"] if report.exists() else []
    if len(tests) != len(files):
        tally.add(failures=[f"lit: ran {len(tests)} of {len(files)} files"])
    for test in tests:
        good = test["code"] in ("PASS", "XFAIL")
        skipped = test["code"] == "UNSUPPORTED"
        tally.add(int(good), int(skipped), [] if good or skipped else [test["name"]])


def runPython(tally, build):
    """Each *_test.py in a process of its own."""
    for path in sorted((ROOT / "tests").rglob("*_test.py")):
        name = str(path.relative_to(ROOT))
        print(f"--- {name}", flush=True)
        environment = {**os.environ, "SHARDWRIGHT_BUILD": str(build)}
        status, output = runForAtMost(PYTHON_TEST_TIMEOUT_S, [sys.executable, "-m", "unittest", "-v", path.name], path.parent, environment)
        print(output, flush=True)
        if status is None:
            tally.add(failures=[f"{name}: no end after {PYTHON_TEST_TIMEOUT_S} s"])
        else:
            addUnittestOutput(tally, name, status, output)


def runForAtMost(seconds, command, folder, environment):
    """Exit status (None: it was stopped, with all it had started) and output."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        output.seek(0)
        return status, output.read().decode(errors="replace")


def addUnittestOutput(tally, name, status, output):
    ran = re.search(r"^Ran (\d+) tests? in", output, re.MULTILINE)
    count = int(ran.group(1)) if ran else 0
    if count == 0:
        tally.add(failures=[f"{name}: ran no test"])
        return
    skipped = sum(int(number) for number in re.findall(r"^(?:OK|FAILED) \(.*?skipped=(\d+)", output, re.MULTILINE))
    failed = set(re.findall(r"^(?:FAIL|ERROR): (.*)$", output, re.MULTILINE))
    if status and not failed:
        failed = {f"exit status {status}"}
    tally.add(max(count - skipped - len(failed), 0), skipped, [f"{name}: {test}" for test in sorted(failed)])


SUITES = {"lint": runLint, "unit": runUnit, "lit": runLit, "python": runPython}


def main(arguments):
    tally = Tally()
    for argument in arguments or ["dev"]:
        preset, _, names = argument.partition(":")
        for name in names.split(",") if names else SUITES:
            print(f"=== {preset}: {name}", flush=True)
            start = time.monotonic()
            before = tally.passed
            SUITES[name](tally, ROOT / "build" / preset)
            print(f"=== {preset}: {name}: {tally.passed - before} passed in {time.monotonic() - start:.0f} s", flush=True)
    for failure in tally.failures:
        print("FAILED", failure)
    if tally.skipped:
        print(tally.skipped, "skipped")
    print(f"{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    return 1 if tally.failures or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
