# SPDX-License-Identifier: Apache-2.0
"""What a package is built from. A wheel is built again if that has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def of_package(package: Path) -> list[Path]:
    """All files that a package is built from."""
    folders = [package / "src", ROOT / "atomics"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        *(path for path in sorted(package.iterdir()) if path.is_file()),
        *(path for path in files if not {"__pycache__", "build", "tests"} & {*path.parts}),
    ]


def state_of(parts: list[str | Path]) -> str:
    """Names a list of texts and files, and what is in the files."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\0".encode())
        if isinstance(part, Path):
            digest.update(part.read_bytes())
    return digest.hexdigest()
