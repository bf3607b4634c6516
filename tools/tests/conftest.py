# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import faulthandler

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="packaging: install in every way for real, and run the whole suites of the sdists",
    )


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to take the time for everything."""
    if not request.config.getoption("--thorough"):
        return False
    # More time than pytest.ini gives a test.
    faulthandler.cancel_dump_traceback_later()
    return True
