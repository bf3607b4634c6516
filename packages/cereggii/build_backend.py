# SPDX-License-Identifier: Apache-2.0
"""The build backend of this package: scikit-build-core, and one thing for pip.

This package needs exactly its own version of the packages beside it, and no index has these. In a
checkout, pip is told where they are: so `pip install ./packages/cereggii` installs them, too. Only
pip's search for them is told so. A wheel depends on versions, not on folders of one machine, even
if it is built in a checkout.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from scikit_build_core import build
from scikit_build_core.build import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

PIN = re.compile(r"^Requires-Dist: (cereggii-[\w-]+)==.*$", re.MULTILINE)


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """The wheel's metadata, in which a pinned version is a folder if that is beside this one."""

    def folder_of(pin: re.Match[str]) -> str:
        folder = Path(__file__).resolve().parent.parent / pin[1]
        if not (folder / "pyproject.toml").is_file():  # an sdist stands alone
            return pin[0]
        return f"Requires-Dist: {pin[1]} @ {folder.as_uri()}"

    name = build.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    path = Path(metadata_directory, name, "METADATA")
    path.write_text(PIN.sub(folder_of, path.read_text("utf-8")), "utf-8")
    return name


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """The wheel, whose metadata is not what was prepared for pip's search."""
    return build.build_wheel(wheel_directory, config_settings)
