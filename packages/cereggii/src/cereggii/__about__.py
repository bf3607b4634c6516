# SPDX-License-Identifier: Apache-2.0
"""Which version this is."""

from importlib.metadata import version

__license__ = "Apache-2.0"
__version__ = version("cereggii")
__version_tuple__: tuple[int | str, ...] = tuple(
    int(part) if part.isdigit() else part for part in __version__.split(".")
)
