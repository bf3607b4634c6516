# SPDX-License-Identifier: Apache-2.0
"""The interpreter that runs the tests, and fresh ones to run a program in."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Mapping
from types import MappingProxyType

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

STARTUP = 30.0  # seconds that a program may take although it does nothing


def command(program: str, *arguments: str) -> list[str]:
    """The command line of a program, given as indented source text."""
    source = textwrap.dedent(program)
    return [sys.executable, "-X", "faulthandler", "-c", source, *arguments]


def run_program(
    program: str,
    *arguments: str,
    timeout: float = STARTUP,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a program in a fresh interpreter; its output. It has to exit with 0, and in time.

    `environment` is added to that of this process.
    """
    done = subprocess.run(
        command(program, *arguments),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
