# SPDX-License-Identifier: Apache-2.0
"""What the test suites of all packages share; their fixtures are in packages/conftest.py."""
