# SPDX-License-Identifier: Apache-2.0
"""Runs other people's test suites, unmodified, on the types of this project.

`python -m clients` runs all of them, `python -m clients networkx` one of them. Each module of this
package except those below is a client: it says where the suite is, puts our types in the place of
the ones that the suite is about, and lists which tests differ and why.

- `client.py`: what a client consists of
- `substitution.py`: puts a type in the place of `dict` in modules that are about to be imported
- `plugin.py`: the pytest plugin that compares the outcome of each test with the list
- `__main__.py`: runs pytest for each client
- `requirements.txt`: the suites, with their versions
"""
