# SPDX-License-Identifier: Apache-2.0
"""The workloads; `harness.registry.load_workloads` imports them all.

A module here is imported by every worker, whatever is installed there, so it imports what it
measures only inside its setups.
"""
