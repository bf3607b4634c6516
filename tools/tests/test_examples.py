# SPDX-License-Identifier: Apache-2.0
"""The programs in examples/ run, find their results right, and say so if they are not."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools.testing.concurrency import PATIENCE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GIL = "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off"

LITTLE_TO_DO = {
    "config_hot_swap.py": "--readers 2 --writers 2 --changes 3000",
    "counter.py": "--threads 1 2 --increments 50000",
    "distributed_word_count.py": "--workers 2 --threads 2 --files 10",
    "hit_counter.py": "--threads 4 --requests 20000",
    "once_per_key_cache.py": "--threads 4 --keys 3 --seconds 0.01",
    "prometheus_values.py": "--threads 3 --requests 2000",
    "word_count.py": "--threads 1 2 --files 30",
    "worker_pool.py": "--threads 3 --waiting 4 --tasks 100",
}

# Faults in cereggii that some examples have to notice.
DAMAGE = {
    "config_hot_swap.py: half a configuration": """
class AtomicRef(cereggii.AtomicRef):
    def get(self):
        return type(config := super().get())(config.version, config.database, 1)
cereggii.AtomicRef = AtomicRef
""",
    "config_hot_swap.py: a lost update": """
class AtomicRef(cereggii.AtomicRef):
    def update_and_get(self, fn):
        updated = fn(self.get())
        if updated.version != 9:
            self.set(updated)
        return updated
cereggii.AtomicRef = AtomicRef
""",
    "hit_counter.py: a hit counted twice": """
class AtomicKeyedCounter(cereggii.AtomicKeyedCounter):
    def add(self, key):
        super().add(key, 1 if self[key] else 2)
cereggii.AtomicKeyedCounter = AtomicKeyedCounter
""",
    "hit_counter.py: a wrong total": """
class AtomicCounter(cereggii.AtomicCounter):
    def sum(self):
        return super().sum() - 1
cereggii.AtomicCounter = AtomicCounter
""",
    "once_per_key_cache.py: once for each who asks": """
class AtomicCache(cereggii.AtomicCache):
    def __getitem__(self, key):
        self.invalidate(key)
        return super().__getitem__(key)
cereggii.AtomicCache = AtomicCache
""",
    "once_per_key_cache.py: nothing is invalidated": """
cereggii.AtomicCache.invalidate = lambda self, key: None
""",
    "once_per_key_cache.py: no limits": """
class AtomicCache(cereggii.AtomicCache):
    def __init__(self, fill, ttl=None, maxsize=None):
        super().__init__(fill)
cereggii.AtomicCache = AtomicCache
""",
    "prometheus_values.py: a lost addition": """
class AtomicFloat(cereggii.AtomicFloat):
    def increment_and_get(self, amount):
        return self.get() if self == 1000 else super().increment_and_get(amount)
cereggii.AtomicFloat = AtomicFloat
""",
    "word_count.py: a lost counter": """
class AtomicDict(cereggii.AtomicDict):
    def setdefault(self, key, default):
        return default
cereggii.AtomicDict = AtomicDict
""",
    "worker_pool.py: not stopped": """
class AtomicBool(cereggii.AtomicBool):
    def __bool__(self):
        return False
cereggii.AtomicBool = AtomicBool
""",
}

RUN_DAMAGED = """
import runpy, sys
import cereggii
{damage}
sys.argv = sys.argv[1:]
sys.path[0] = {folder!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# Every option of every example, and of which kind it is.
OPTIONS = [
    pytest.param(example, option, kind, id=f"{example} {option}")
    for example in LITTLE_TO_DO
    for option, kind in re.findall(
        r"""parser\.add\("(--\w+)", options\.(\w+),""",
        (EXAMPLES / example).read_text(encoding="utf-8"),
    )
]
NO_NUMBERS = ["", " ", "many", "nan", "inf", "-inf", "1e400", "0x10", "1/2", ".", "README.md"]
NOT_POSITIVE = ["0", "-0", "-1", "-0.5", "-1e9"]
REFUSED = {
    "number": [*NO_NUMBERS, *NOT_POSITIVE, "1.0", "1e3", "1000000001"],
    "threads": [*NO_NUMBERS, *NOT_POSITIVE, "1.0", "1001", "9" * 5000],
    "seconds": [*NO_NUMBERS, *NOT_POSITIVE, "1e-400", "3600.1"],
}


def start(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Wide enough for every table, and no colours.
    env = {**os.environ, "COLUMNS": "200", "PYTHONUTF8": "1", **environment}
    env.pop("FORCE_COLOR", None)
    return subprocess.run(
        [sys.executable, *command],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )


def run(example: str) -> str:
    """The output of an example, which has to find its results right and print no warnings."""
    command = [str(EXAMPLES / example), *LITTLE_TO_DO[example].split()]
    done = start("-W", "error", *command)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return done.stdout


def rows_of(shown: str) -> list[list[str]]:
    """The rows of the tables."""
    lines = [line.strip() for line in shown.splitlines()]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line[:1] == "│"]


def test_every_example_is_tested_and_in_the_readme() -> None:
    examples = {path.name for path in EXAMPLES.glob("*.py")} - {"options.py"}
    assert set(LITTLE_TO_DO) == examples
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for example in examples:
        assert f"python examples/{example}" in readme
        assert f"python examples/{example} " in (EXAMPLES / example).read_text(encoding="utf-8")


@pytest.mark.parametrize("example", LITTLE_TO_DO)
def test_help_shows_every_option_and_its_default(example: str) -> None:
    options = [option for name, option, _ in (row.values for row in OPTIONS) if name == example]
    assert {*re.findall(r"--\w+", LITTLE_TO_DO[example])} == {*options}
    done = start("-W", "error", str(EXAMPLES / example), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\npython examples/{example} " in done.stdout
    for option in options:
        assert re.search(rf"^  {option} .*\(default: .+\)$", done.stdout, re.MULTILINE), option


@pytest.mark.parametrize("example", LITTLE_TO_DO)
def test_a_usage_error_is_on_standard_error(example: str) -> None:
    done = start("-W", "error", str(EXAMPLES / example), "--threads", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {example}")


def refuse(
    example: str,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The usage error of an example, which does nothing else."""
    monkeypatch.syspath_prepend(EXAMPLES)
    program = importlib.import_module(example.removesuffix(".py"))
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("it began to work"))
    monkeypatch.setattr(sys, "argv", [example, *arguments])
    with pytest.raises(SystemExit) as caught:
        program.main()
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert printed.err.startswith(f"usage: {example}")
    assert len(printed.err.splitlines()) <= 5
    return printed.err


@pytest.mark.parametrize(("example", "option", "kind"), OPTIONS)
def test_an_option_refuses_what_makes_no_sense(
    example: str,
    option: str,
    kind: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for text in REFUSED[kind]:
        error = refuse(example, [f"{option}={text}"], capsys, monkeypatch)
        assert f"argument {option}: not a " in error
        assert repr(text) in error
    assert option in refuse(example, [option], capsys, monkeypatch)


@pytest.mark.parametrize("example", LITTLE_TO_DO)
@pytest.mark.parametrize("arguments", ["--unknown", "--unknown=1", "-x", "README.md", "."])
def test_an_example_refuses_other_arguments(
    example: str,
    arguments: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert arguments in refuse(example, [arguments], capsys, monkeypatch)


def test_counter_is_right_in_every_way_but_the_racy_one() -> None:
    shown = run("counter.py")
    assert f"the GIL is {GIL}" in shown
    found = {(threads, name): row for threads, name, *row in rows_of(shown)}
    assert len(found) == 8
    for name in ("int + Lock", "AtomicInt", "AtomicIntHandle"):
        assert found["1", name][:2] == ["50,000", "right"]
        assert found["2", name][:2] == ["100,000", "right"]


def test_word_count_counts_as_a_counter_does() -> None:
    shown = run("word_count.py")
    assert "in 30 files" in shown
    assert f"the GIL is {GIL}" in shown
    counted = [(threads, name, right) for threads, name, right, *_ in rows_of(shown)]
    assert counted == [
        ("1", "Counter", ""),
        ("1", "AtomicDict", "right"),
        ("2", "AtomicDict", "right"),
    ]


def test_hit_counter_counts_every_hit_once() -> None:
    shown = run("hit_counter.py")
    assert "80,000 requests, 4 threads" in shown
    assert f"the GIL is {GIL}" in shown
    rows = rows_of(shown)
    assert {path for path, _, _ in rows} == {"/", "/docs", "/blog", "/about", "/stats"}
    assert sum(int(hits.replace(",", "")) for _, hits, _ in rows) == 80_000
    assert shown.count("right") == len(rows) + 3


def test_once_per_key_cache_computes_once() -> None:
    shown = run("once_per_key_cache.py")
    assert rows_of(shown) == [
        ["once per key", "page 0: 1x, page 1: 1x, page 2: 1x", "right"],
        ["errors are not kept", "page: 2x", "right"],
        ["invalidate", "page: 2x", "right"],
        ["ttl", "page: 2x", "right"],
        ["maxsize", "third: 1x, unused: 2x, used: 1x", "right"],
        ["memoize", "1 + 2: 2x, 3 + 4: 1x", "right"],
    ]


def test_config_hot_swap_shows_whole_configurations() -> None:
    shown = run("config_hot_swap.py")
    assert f"the GIL is {GIL}" in shown
    racy, swapped = rows_of(shown)
    assert racy[0] == "attributes (racy)"
    assert swapped[:2] == ["AtomicRef", "right"]
    assert int(swapped[2].replace(",", "")) >= 2
    assert swapped[3:] == ["0", "0", "6,000", "0"]


def test_worker_pool_reports_how_each_task_ended() -> None:
    shown = run("worker_pool.py")
    assert f"the GIL is {GIL}" in shown
    assert rows_of(shown) == [
        ["waited for", "100", "98", "2", "0", "right"],
        ["stopped early", "7", "3", "0", "4", "right"],
    ]
    assert shown.count("A task raised ValueError") == 2


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ["dask", "distributed"])),
    reason="needs dask and distributed",
)
def test_distributed_word_count_adds_up(tmp_path: Path) -> None:
    command = [str(EXAMPLES / "distributed_word_count.py")]
    command += LITTLE_TO_DO["distributed_word_count.py"].split()
    # Warnings are not errors here: they would be those of other projects.
    done = start(*command, DASK_TEMPORARY_DIRECTORY=str(tmp_path))
    shown = done.stdout
    assert done.returncode == 0, f"{shown}\n{done.stderr}"
    assert "in 10 files" in shown
    assert "2 processes of 2 threads" in shown
    assert f"the GIL is {GIL} here" in shown
    assert "The sum of the parts is the whole: right" in shown
    rows = sorted(rows_of(shown))
    assert [(part, files) for part, files, *_ in rows] == [*zip("1234", "3322", strict=True)]
    # Nothing that Dask imports turns the GIL on.
    assert {its_gil for *_, its_gil in rows} == {GIL}


needs_prometheus = pytest.mark.skipif(
    importlib.util.find_spec("prometheus_client") is None, reason="needs prometheus_client"
)


@needs_prometheus
def test_prometheus_values_lose_nothing() -> None:
    shown = run("prometheus_values.py")
    assert "6,000 requests, 3 threads" in shown
    assert f"the GIL is {GIL}" in shown
    assert rows_of(shown) == [
        ["served_total", "/0", "4,000.0", "right"],
        ["served_total", "/1", "2,000.0", "right"],
        ["active", "", "0.0", "right"],
        ["size_count", "", "6,000.0", "right"],
        ["size_sum", "", "2,250.0", "right"],
    ]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(name, marks=needs_prometheus if name.startswith("prometheus") else ())
        for name in DAMAGE
    ],
)
def test_a_wrong_result_is_shown_and_is_an_error(damage: str) -> None:
    example = damage.partition(":")[0]
    program = RUN_DAMAGED.format(damage=DAMAGE[damage], folder=str(EXAMPLES))
    arguments = LITTLE_TO_DO[example].split()
    done = start("-W", "error", "-c", program, str(EXAMPLES / example), *arguments)
    assert (done.returncode, done.stderr) == (1, ""), f"{done.stdout}\n{done.stderr}"
    assert "wrong" in done.stdout
