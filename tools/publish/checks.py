# SPDX-License-Identifier: Apache-2.0
"""What a wheel must be to be published, beside what twine and check-wheel-contents check.

abi3audit has nothing to check, since no wheel is for the stable ABI: each is for one version.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

# A wheel of 500 kB is downloaded in an instant, and the largest one has half of that.
LARGEST = 500_000

# The suffix of an extension module by the system of its platform. CPython imports no other.
SUFFIXES = {
    "linux": r"\.cpython-{version}-{machine}-linux-(gnu|musl)\.so",
    "macosx": r"\.cpython-{version}-darwin\.so",
    "win": r"\.cp{version}-{platform}\.pyd",
}
ELF_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}

# The libraries of the system that an extension module may need. No C++ library is promised to a
# musllinux wheel.
LIBRARIES = {
    "linux": r".*",  # auditwheel has not looked at it yet
    "manylinux": r"lib(c|m|pthread|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-[\w-]+\.so\.\d+",
    "musllinux": r"(libc\.|ld-)musl-\w+\.so\.1|libc\.so",
}


def problems(wheel: Path) -> Iterator[str]:
    """All that is wrong with a wheel."""
    size = wheel.stat().st_size
    if size >= LARGEST:
        yield f"it has {size} bytes, and the limit is {LARGEST}"
    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        yield str(error)
        return
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = _headers(archive, "METADATA")
        found = canonicalize_name(metadata.get("Name", "")), metadata.get("Version")
        if found != (name, str(version)):
            yield f"METADATA is of {' '.join(map(str, found))}"
        marked = set(_headers(archive, "WHEEL").get_all("Tag") or [])
        if marked != set(map(str, tags)):
            yield f"WHEEL has other tags than the file name: {', '.join(sorted(marked))}"
        yield from _tag_problems(tags)
        modules = [entry for entry in names if entry.endswith((".so", ".pyd", ".dll", ".dylib"))]
        pure = all(tag.platform == "any" for tag in tags)
        if pure and modules:
            yield f"it is for all platforms, but has {', '.join(modules)}"
        elif not pure and not any(_fits(entry, tags) for entry in modules):
            yield f"no extension module in it can be imported by {', '.join(map(str, tags))}"
        for entry in modules:
            if entry.endswith(".so") and any("linux" in tag.platform for tag in tags):
                for problem in elf_problems(PurePosixPath(entry).name, archive.read(entry), tags):
                    yield f"{entry}: {problem}"


def _headers(archive: zipfile.ZipFile, name: str) -> Message:
    found = [entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}")]
    return message_from_bytes(archive.read(found[0]) if found else b"")


def _tag_problems(tags: frozenset[Tag]) -> Iterator[str]:
    """Whether pip installs it where it works, and only there."""
    for tag in tags:
        if tag.platform == "any":
            if (tag.interpreter, tag.abi) != ("py3", "none"):
                yield f"{tag}: a wheel for all platforms is for all Pythons"
        elif not re.fullmatch(re.escape(tag.interpreter) + "t?", tag.abi):
            yield f"{tag}: the ABI is not the interpreter's, with a GIL or free-threaded"
        if tag.platform.startswith("linux"):
            yield f"{tag}: it is not repaired: no index accepts this platform"


def _fits(entry: str, tags: frozenset[Tag]) -> bool:
    """Whether an extension module can be imported by the Pythons of these tags."""
    for tag in tags:
        system = re.sub(r"^(many|musl)(?=linux)", "", tag.platform)
        pattern = next((SUFFIXES[name] for name in SUFFIXES if system.startswith(name)), None)
        if pattern is None:
            return False
        suffix = pattern.format(
            version=tag.abi.removeprefix("cp"),
            machine=_machine(tag),
            platform=re.escape(tag.platform),
        )
        if not re.search(rf"/\w+{suffix}$", entry):
            return False
    return True


def _machine(tag: Tag) -> str:
    return next((name for name in ELF_MACHINES if tag.platform.endswith(f"_{name}")), "?")


def elf_problems(name: str, contents: bytes, tags: frozenset[Tag]) -> Iterator[str]:
    """What is wrong with an extension module for Linux that has this name."""
    try:
        elf = ELFFile(io.BytesIO(contents))
    except ELFError as error:
        yield f"it is not an ELF file: {error}"
        return
    machine = elf["e_machine"]
    if machine not in {ELF_MACHINES.get(_machine(tag)) for tag in tags}:
        yield f"it is for {machine}"
    sections = list(elf.iter_sections())
    if any(part.name == ".symtab" or part.name.startswith(".debug") for part in sections):
        yield "it is not stripped"
    exported = {
        symbol.name
        for part in sections
        if isinstance(part, SymbolTableSection) and part.name == ".dynsym"
        for symbol in part.iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
    }
    init = f"PyInit_{name.partition('.')[0]}"
    if exported != {init}:
        stray = ", ".join(sorted(exported - {init})[:5])
        yield f"it exports {stray}" if stray else f"it does not export {init}"
    needed = {
        str(vars(entry)["needed"])
        for part in sections
        if isinstance(part, DynamicSection)
        for entry in part.iter_tags()
        if entry.entry.d_tag == "DT_NEEDED"
    }
    kinds = {tag.platform.partition("_")[0].rstrip("0123456789") for tag in tags}
    allowed = "|".join(LIBRARIES.get(kind, "") for kind in kinds)
    for library in sorted(needed):
        if not re.fullmatch(allowed, library):
            yield f"it needs {library}"
