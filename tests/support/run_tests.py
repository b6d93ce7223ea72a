"""Runs the test binaries and test scripts of the given rooms (all without a name) and counts the outcomes.

A test binary is <build>/bin/<room>_tests, counted test by test. A test script is tests/*_test.{py,sh} or
tests/<room>/*_test.{py,sh}: exit status 0 passed, 77 skipped (its last line says why), else failed.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def run_binary(binary, results, counts, skipped):
    report = results / (binary.name + ".json")
    report.unlink(missing_ok=True)
    status = subprocess.run([str(binary), f"--gtest_output=json:{report}", "--gtest_brief=1"]).returncode
    if not report.exists():
        counts["failed"] += 1
        print(f"FAILED {binary.name}: ended with status {status} before it could report", flush=True)
        return
    for suite in json.loads(report.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if "failures" in test:
                counts["failed"] += 1
                print(f"FAILED {binary.name} {name}", flush=True)
            elif test.get("result") == "SKIPPED":
                counts["skipped"] += 1
                skipped.append(f"{binary.name} {name}")
            elif test.get("status") == "RUN":
                counts["passed"] += 1


def run_script(script, counts, skipped):
    command = [sys.executable if script.suffix == ".py" else "bash", str(script)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode == 77:
        counts["skipped"] += 1
        lines = done.stdout.strip().splitlines()
        skipped.append(f"{script.name}: {lines[-1] if lines else 'no reason given'}")
    elif done.returncode == 0:
        counts["passed"] += 1
    else:
        counts["failed"] += 1
        print(f"FAILED {script.name} (status {done.returncode})\n{done.stdout}", flush=True)


def main():
    root, build, rooms = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    os.environ.setdefault("NOEMA_TEST_DATA", str(root.parent / "shared" / "data"))
    os.environ["NOEMA_BIN"] = str(build / "bin" / "noema")
    results = build / "test-results"
    results.mkdir(exist_ok=True)
    folders = sorted(p for p in (root / "tests").iterdir() if p.is_dir() and (not rooms or p.name in rooms))
    scripts = [] if rooms else sorted(p for p in (root / "tests").glob("*_test.*") if p.suffix in (".py", ".sh"))
    counts, skipped = {"passed": 0, "failed": 0, "skipped": 0}, []
    for folder in folders:
        start = time.monotonic()
        binary = build / "bin" / f"{folder.name}_tests"
        if (folder / "CMakeLists.txt").exists() and binary.exists():
            run_binary(binary, results, counts, skipped)
        for script in sorted(p for p in folder.glob("*_test.*") if p.suffix in (".py", ".sh")):
            run_script(script, counts, skipped)
        print(f"{folder.name}: {time.monotonic() - start:.1f} s", flush=True)
    for script in scripts:
        run_script(script, counts, skipped)
    if skipped:
        print("skipped:\n  " + "\n  ".join(skipped))
    if counts["passed"] + counts["failed"] == 0:
        counts["failed"] = 1
        print("FAILED: no test was found")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


sys.exit(main())
