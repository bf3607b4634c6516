# SPDX-License-Identifier: Apache-2.0
"""An event that threads wait for, from `cereggii-atomicint`."""

from cereggii_atomicint import AtomicEvent

__all__ = ["AtomicEvent"]
