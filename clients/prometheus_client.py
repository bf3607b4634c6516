# SPDX-License-Identifier: Apache-2.0
"""prometheus_client and its own tests, with an AtomicFloat for each number of a metric.

The value class is that of examples/prometheus_values.py. The library chooses its own class where
several processes share metrics, and the tests of that are run, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clients.client import Client, Difference, source_of


def put_in_place() -> None:
    """Makes the values of all metrics AtomicFloats."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
    import prometheus_values

    prometheus_values.install()


def root() -> Path:
    """The source distribution: the wheel has no tests."""
    return source_of("prometheus_client")


DIFFERENCES = (
    Difference(
        reason="How a server's refusal of a certificate shows depends on timing: the client may"
        " still be writing. The test has no values in it, and fails with the library's own, too.",
        runs=False,
        tests=("tests/test_exposition.py::TestWsgiTLS::test_mtls_untrusted_client_cert_raises",),
    ),
)

CLIENT = Client(
    title="prometheus_client, where each value is an AtomicFloat",
    suite="prometheus_client",
    root=root,
    tests=("tests",),
    put_in_place=put_in_place,
    differences=DIFFERENCES,
)
