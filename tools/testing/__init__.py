# SPDX-License-Identifier: Apache-2.0
"""Helpers that the test suites of all packages share. Fixtures are in packages/conftest.py."""
