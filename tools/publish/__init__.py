# SPDX-License-Identifier: Apache-2.0
"""What is published: how it is built, what it must be, and how a release is made.

`python -m tools.publish dist` checks wheels and sdists. sessions.py has the sessions of nox that
build them. docs/releasing.md says how all of it works together.
"""
