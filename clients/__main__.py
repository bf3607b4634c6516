# SPDX-License-Identifier: Apache-2.0
"""Runs the clients: `python -m clients [NAME …] [-- ARGUMENTS OF PYTEST]`.

`python -m clients --table` prints the table of all differences, which is in docs/clients.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from clients.client import NAMES, load

ROOT = Path(__file__).resolve().parents[1]

OUTCOMES = {
    "passed": "passed",
    "listed": "differ as listed",
    "skipped": "skipped by the suite",
    "xfailed": "expected to fail by the suite",
    "xpassed": "pass against the suite's expectation",
    "failed": "failed",
    "error": "errors",
}


def run(name: str, arguments: list[str]) -> tuple[bool, str]:
    """Runs the suite of a client; whether all is as listed, and a line for the summary."""
    client = load(name)
    reason = client.unavailable()
    if reason:
        return True, f"skipped: {reason}"
    root = client.root()
    with tempfile.TemporaryDirectory() as scratch:
        tally = Path(scratch) / "tally.json"
        command = [
            sys.executable, "-m", "pytest", "-c", str(ROOT / "clients" / "pytest.ini"),
            "-p", "clients.plugin", f"--client={name}", f"--tally={tally}", f"--rootdir={root}",
            *client.options, *(str(root / test) for test in client.tests), *arguments,
        ]  # fmt: skip
        # Strings have the same hashes each time: so a dict that has no order has the same one.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=scratch, env=environment)
        numbers: dict[str, int] = json.loads(tally.read_text()) if tally.exists() else {}
    shown = [f"{numbers[key]} {text}" for key, text in OUTCOMES.items() if key in numbers]
    return done.returncode == 0, ", ".join(shown) or f"ended with exit code {done.returncode}"


def table() -> list[str]:
    """The rows of the table in docs/clients.md, in Markdown."""
    rows = ["| suite | what differs, and why | tests |", "|---|---|---|"]
    for name in NAMES:
        client = load(name)
        for each in client.differences:
            rows.append(f"| {client.suite} | {each.reason} | {len(each.tests)} |")
    return rows


def undocumented() -> list[str]:
    """The rows that docs/clients.md does not have."""
    lines = (ROOT / "docs" / "clients.md").read_text("utf-8").splitlines()
    return [row for row in table() if row not in lines]


def main(arguments: list[str]) -> int:
    """Runs these clients, or all; the exit code."""
    if arguments == ["--table"]:
        print(*table(), sep="\n")
        return 0
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:split], arguments[split + 1 :]
    results = {name: run(name, options) for name in names or NAMES}
    print()
    for name, (ok, line) in results.items():
        print(f"{'ok    ' if ok else 'FAILED'} {name}: {line}")
    missing = undocumented()
    if missing:
        print("FAILED docs/clients.md lacks what `python -m clients --table` prints:", *missing,
              sep="\n")  # fmt: skip
    return 0 if all(ok for ok, _ in results.values()) and not missing else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
