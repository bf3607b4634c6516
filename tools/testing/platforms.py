# SPDX-License-Identifier: Apache-2.0
"""Marks of tests that need something which not every platform has."""

from __future__ import annotations

import os
import signal

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")
needs_timer_signals = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there is no signal.setitimer here"
)
needs_thread_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="there is no signal.pthread_kill here"
)
