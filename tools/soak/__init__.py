# SPDX-License-Identifier: Apache-2.0
"""A program that runs for hours, and whose memory has to stay flat.

world.py    what the threads share, and what must be true of it between two rounds
work.py     what the threads do
usage.py    what the process uses between two rounds, and whether that grows
__main__.py the rounds, and the report
"""
