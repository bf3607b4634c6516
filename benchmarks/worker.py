# SPDX-License-Identifier: Apache-2.0
"""One sample in one process: started by the runner under the interpreter to be measured.

Usage: worker.py describe
       worker.py time WORKLOAD IMPLEMENTATION THREADS
       worker.py count WORKLOAD IMPLEMENTATION PREPARED EXECUTED [--empty]
       worker.py memory WORKLOAD IMPLEMENTATION OPERATIONS

Prints one line of JSON. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys

from harness.measure import (
    gil_is_enabled,
    measure_memory,
    run_for_counting,
    time_operations,
    time_program,
)
from harness.registry import Kind, implementation_named, load_workloads


def describe() -> dict[str, object]:
    """The version of this interpreter, and the packages that are installed for it."""
    import importlib.metadata  # slow to import, and every sample starts a worker
    import sysconfig

    return {
        "executable": sys.executable,
        "python": platform.python_version(),
        "build": sys.version,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil": gil_is_enabled(),
        "packages": {
            found.metadata["Name"]: found.version for found in importlib.metadata.distributions()
        },
    }


def time_variant(arguments: argparse.Namespace) -> dict[str, object]:
    """Take one sample."""
    workload = load_workloads()[arguments.workload]
    variant = workload.variants[implementation_named(arguments.implementation)]
    if workload.kind is Kind.PROGRAM:
        sample = time_program(variant, workload.operations)
    else:
        sample = time_operations(variant, arguments.threads, workload.operations)
    return dataclasses.asdict(sample)


def count_variant(arguments: argparse.Namespace) -> dict[str, object]:
    """Only do the work: the caller counts instructions."""
    workload = load_workloads()[arguments.workload]
    variant = workload.variants[implementation_named(arguments.implementation)]
    run_for_counting(
        variant,
        prepared=arguments.prepared,
        executed=arguments.executed,
        empty=arguments.empty,
    )
    return {}


def weigh_variant(arguments: argparse.Namespace) -> dict[str, object]:
    """Do the work once, and say how much memory the result takes."""
    workload = load_workloads()[arguments.workload]
    variant = workload.variants[implementation_named(arguments.implementation)]
    return {"bytes": measure_memory(variant, arguments.operations)}


def parse_arguments() -> argparse.Namespace:
    """See the usage above."""
    parser = argparse.ArgumentParser(description="take one sample (used by run.py)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("describe")
    for name in ("time", "count", "memory"):
        command = commands.add_parser(name)
        command.add_argument("workload")
        command.add_argument("implementation")
    commands.choices["time"].add_argument("threads", type=int)
    commands.choices["count"].add_argument("prepared", type=int)
    commands.choices["count"].add_argument("executed", type=int)
    commands.choices["count"].add_argument("--empty", action="store_true")
    commands.choices["memory"].add_argument("operations", type=int)
    return parser.parse_args()


def main() -> None:
    """Do one command, and print the answer."""
    arguments = parse_arguments()
    if arguments.command == "describe":
        answer = describe()
    elif arguments.command == "time":
        answer = time_variant(arguments)
    elif arguments.command == "memory":
        answer = weigh_variant(arguments)
    else:
        answer = count_variant(arguments)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
