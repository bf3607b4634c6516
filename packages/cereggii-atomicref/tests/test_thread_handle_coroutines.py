# SPDX-License-Identifier: Apache-2.0
"""Coroutines, generators and asyncio do the same with a handle as with its object."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle

# ── awaitables ─────────────────────────────────────────────────────────────────────────────────


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "done"


@types.coroutine
def generator_based() -> Generator[Any, Any, str]:
    yield from asyncio.sleep(0).__await__()
    return "done"


class Custom:
    """An awaitable that is not a coroutine."""

    def __await__(self) -> Generator[Any, Any, str]:
        return coroutine().__await__()


async def numbers() -> AsyncIterator[str]:
    await asyncio.sleep(0)
    yield "done"


def future() -> asyncio.Future[str]:
    loop = asyncio.get_running_loop()
    made = loop.create_future()
    loop.call_soon(made.set_result, "done")
    return made


COROUTINES: dict[str, Callable[[], Any]] = {
    "coroutine": coroutine,
    "step of an async generator": lambda: numbers().__anext__(),
    "anext with a default": lambda: anext(numbers(), "default"),
}
FUTURES: dict[str, Callable[[], Any]] = {
    "future": future,
    "task": lambda: asyncio.get_running_loop().create_task(coroutine()),
    "gathered": lambda: asyncio.gather(coroutine()),
}
AWAITABLES = COROUTINES | FUTURES
AWAITABLES |= {"generator-based coroutine": generator_based, "awaitable": Custom}


async def awaited(awaitable: Any) -> Any:
    return await awaitable


async def from_another_frame(awaitable: Any) -> Any:
    return await awaited(awaited(ThreadHandle(awaited(awaitable))))


async def in_a_task(coroutine: Any) -> Any:
    return await asyncio.create_task(coroutine)


async def in_a_task_group(coroutine: Any) -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coroutine)
    return task.result()


async def in_an_eager_task(coroutine: Any) -> Any:
    factory = getattr(asyncio, "eager_task_factory", None)  # 3.12 and later
    asyncio.get_running_loop().set_task_factory(factory)
    return await asyncio.create_task(coroutine)


async def by_another_thread(coroutine: Any) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


async def by_as_completed(awaitable: Any) -> Any:
    return [await result for result in asyncio.as_completed([awaitable])].pop()


USES: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "await": awaited,
    "await in another frame": from_another_frame,
    "wait_for": lambda awaitable: asyncio.wait_for(awaitable, 60),
}
# Functions that make a future of it. Other awaitables are in test_thread_handle_limits.py.
USES_OF_FUTURES: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "gather": asyncio.gather,
    "ensure_future": asyncio.ensure_future,
    "shield": asyncio.shield,
    "as_completed": by_as_completed,
}
USES_OF_COROUTINES: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "create_task": in_a_task,
    "TaskGroup": in_a_task_group,
    "eager task": in_an_eager_task,
    "run_coroutine_threadsafe": by_another_thread,
}
CASES = [(use, kind) for use in USES for kind in AWAITABLES]
if sys.version_info < (3, 12):  # where wait_for makes a future of it, too
    CASES.remove(("wait_for", "awaitable"))
CASES += [(use, kind) for use in USES_OF_FUTURES for kind in COROUTINES | FUTURES]
CASES += [(use, kind) for use in USES_OF_COROUTINES for kind in COROUTINES]
ALL_USES = USES | USES_OF_FUTURES | USES_OF_COROUTINES


@pytest.mark.parametrize(("use", "kind"), CASES)
def test_a_handle_is_awaited_as_its_object(use: str, kind: str) -> None:
    async def main(wrap: Callable[[Any], Any]) -> Any:
        return await ALL_USES[use](wrap(AWAITABLES[kind]()))

    assert asyncio.run(main(ThreadHandle)) == asyncio.run(main(lambda bare: bare))


def test_a_handle_of_a_coroutine_runs() -> None:
    assert asyncio.run(ThreadHandle(coroutine())) == "done"
    with asyncio.Runner() as runner:
        assert runner.run(ThreadHandle(coroutine())) == "done"
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(ThreadHandle(coroutine())) == "done"
    finally:
        loop.close()


def test_the_pure_python_task_runs_a_handle() -> None:
    async def main() -> Any:
        kind: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
        return await kind(ThreadHandle(coroutine()), loop=asyncio.get_running_loop())

    assert asyncio.run(main()) == "done"


def test_a_task_of_a_handle_is_cancelled_and_times_out() -> None:
    seen: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("left")

    async def main() -> None:
        task = asyncio.create_task(ThreadHandle(forever()))
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ThreadHandle(forever()), 0.01)
        assert "forever" in repr(task)

    asyncio.run(main())
    assert seen == ["cancelled", "left"] * 2


def test_an_error_comes_out_of_a_handle() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    async def main() -> None:
        with pytest.raises(LookupError, match="no"):
            await ThreadHandle(fail())
        [result] = await asyncio.gather(ThreadHandle(fail()), return_exceptions=True)
        assert type(result) is LookupError

    with pytest.raises(LookupError, match="no"):
        asyncio.run(ThreadHandle(fail()))
    asyncio.run(main())


@pytest.mark.parametrize("value", [5, None, [], len, Custom], ids=repr)
def test_a_handle_of_an_object_that_cannot_be_awaited_cannot_be_awaited(value: Any) -> None:
    async def main() -> None:
        for use in (*USES.values(), in_a_task):
            with pytest.raises((TypeError, AttributeError)):
                await use(ThreadHandle(value))

    asyncio.run(main())


def test_a_coroutine_cannot_be_awaited_twice() -> None:
    async def main() -> None:
        handle: Any = ThreadHandle(coroutine())
        await handle
        with pytest.raises(RuntimeError, match="already awaited"):
            await handle

    asyncio.run(main())


# ── driven by hand ─────────────────────────────────────────────────────────────────────────────


@types.coroutine
def ask(question: Any) -> Generator[Any, Any, Any]:
    return (yield question)


async def native(log: list[str]) -> Any:
    try:
        return await ask("first"), await ask("second")
    except LookupError:
        return "caught", await ask("third")
    finally:
        log.append("left")


@types.coroutine
def marked(log: list[str]) -> Generator[Any, Any, Any]:
    try:
        return (yield "first"), (yield "second")
    except LookupError:
        return "caught", (yield "third")
    finally:
        log.append("left")


def plain(log: list[str]) -> Generator[Any, Any, Any]:
    try:
        return (yield "first"), (yield "second")
    except LookupError:
        return "caught", (yield "third")
    finally:
        log.append("left")


class CustomSteps:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __await__(self) -> Generator[Any, Any, Any]:
        return plain(self.log)


def delegating(generator: Any) -> Generator[Any, Any, Any]:
    return (yield from generator)


def itself(generator: Any) -> Any:
    return generator


# How (the caller) is driven, and what it gets a handle of.
DRIVEN: dict[str, tuple[Callable[[Any], Any], Callable[[list[str]], Any]]] = {
    "await coroutine": (awaited, native),
    "await generator-based coroutine": (awaited, marked),
    "await awaitable": (awaited, CustomSteps),
    "yield from generator": (delegating, plain),
    "yield from generator-based coroutine": (delegating, marked),
    "coroutine": (itself, native),
    "generator": (itself, plain),
    "generator-based coroutine": (itself, marked),
}


def returned(call: Callable[..., Any], *arguments: Any) -> Any:
    with pytest.raises(StopIteration) as stopped:
        call(*arguments)
    return stopped.value.value


def drive_to_the_end(running: Any) -> Any:
    return [running.send(None), running.send(1), returned(running.send, 2)]


def drive_with_an_exception(running: Any) -> Any:
    return [running.send(None), running.throw(LookupError()), returned(running.send, 3)]


def drive_with_an_error(running: Any) -> Any:
    first = running.send(None)
    with pytest.raises(ZeroDivisionError):
        running.throw(ZeroDivisionError())
    return [first]


def close(running: Any) -> Any:
    return [running.send(None), running.close()]


@pytest.mark.parametrize("name", DRIVEN)
@pytest.mark.parametrize(
    "drive", [drive_to_the_end, drive_with_an_exception, drive_with_an_error, close]
)
def test_values_and_exceptions_pass_through_a_handle(
    name: str, drive: Callable[[Any], Any]
) -> None:
    outer, inner = DRIVEN[name]
    bare_log: list[str] = []
    handle_log: list[str] = []
    expected = drive(outer(inner(bare_log)))
    assert drive(outer(ThreadHandle(inner(handle_log)))) == expected
    assert handle_log == bare_log == ["left"]


def test_types_coroutine_marks_a_function_behind_a_handle() -> None:
    def wait() -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "done"

    function: Any = types.coroutine(ThreadHandle(wait))
    assert asyncio.run(awaited(function())) == "done"
    assert asyncio.run(awaited(ThreadHandle(function()))) == "done"


# ── asynchronous iteration and context managers ────────────────────────────────────────────────


class Counting:
    def __init__(self) -> None:
        self.number = 0

    def __aiter__(self) -> Counting:
        return self

    async def __anext__(self) -> int:
        self.number += 1
        if self.number > 3:
            raise StopAsyncIteration
        return self.number


async def one_two_three() -> AsyncIterator[int]:
    for number in (1, 2, 3):
        await asyncio.sleep(0)
        yield number


class HandsOut:
    """Its iterator is a handle."""

    def __aiter__(self) -> Any:
        return ThreadHandle(one_two_three())


@pytest.mark.parametrize("make", [Counting, one_two_three, HandsOut])
def test_async_iteration(make: Callable[[], Any]) -> None:
    async def main() -> None:
        assert [number async for number in ThreadHandle(make())] == [1, 2, 3]
        found = []
        async for number in ThreadHandle(make()):
            found.append(number)
        assert found == [1, 2, 3]
        iterator: Any = ThreadHandle(aiter(ThreadHandle(make())))
        assert await anext(iterator) == 1
        assert await anext(iterator, None) == 2
        assert await iterator.__anext__() == 3
        assert await anext(iterator, None) is None
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)

    asyncio.run(main())


def test_async_generators_take_values_and_are_closed() -> None:
    seen: list[Any] = []

    async def echo() -> AsyncIterator[Any]:
        try:
            received = yield 1
            while True:
                try:
                    received = yield received
                except LookupError:
                    received = "caught"
        finally:
            seen.append("left")

    async def main() -> None:
        generator: Any = ThreadHandle(echo())
        assert await generator.asend(None) == 1
        assert await generator.asend(5) == 5
        assert await generator.athrow(LookupError()) == "caught"
        await generator.aclose()
        assert seen == ["left"]
        async with contextlib.aclosing(ThreadHandle(echo())) as entered:
            assert await anext(entered) == 1
        assert seen == ["left", "left"]

    asyncio.run(main())


def test_context_managers_made_of_generators_and_stacks_of_them() -> None:
    seen: list[Any] = []

    @contextlib.asynccontextmanager
    async def asynchronous(name: str) -> AsyncIterator[str]:
        yield name
        seen.append(name)

    @contextlib.contextmanager
    def synchronous(name: str) -> Iterator[str]:
        yield name
        seen.append(name)

    async def main() -> None:
        async with ThreadHandle(asynchronous("a")) as entered:
            assert entered == "a"
        async with contextlib.AsyncExitStack() as stack:
            assert await stack.enter_async_context(ThreadHandle(asynchronous("b"))) == "b"
            assert stack.enter_context(ThreadHandle(synchronous("c"))) == "c"
            stack.push_async_exit(ThreadHandle(contextlib.nullcontext()))
            stack.push_async_callback(ThreadHandle(coroutine))
        async with ThreadHandle(contextlib.AsyncExitStack()) as stack:
            stack.callback(seen.append, "d")
        async with ThreadHandle(asyncio.timeout(60)), ThreadHandle(asyncio.Lock()):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert seen == ["a", "c", "b", "d"]


# ── inspect ────────────────────────────────────────────────────────────────────────────────────


def generator() -> Iterator[int]:
    yield 1


class Methods:
    async def method(self) -> None: ...

    async def agen(self) -> AsyncIterator[int]:
        yield 1

    @classmethod
    async def of_class(cls) -> None: ...

    @staticmethod
    async def static() -> None: ...


SUBJECTS: dict[str, Callable[[], Any]] = {
    "coroutine": coroutine,
    "generator-based coroutine": generator_based,
    "generator": generator,
    "async generator": one_two_three,
    "coroutine function": lambda: coroutine,
    "generator function": lambda: generator,
    "async generator function": lambda: one_two_three,
    "method": lambda: Methods().method,
    "async generator method": lambda: Methods().agen,
    "class method": lambda: Methods.of_class,
    "static method": lambda: Methods.static,
    "function": lambda: itself,
    "builtin": lambda: len,
    "class": lambda: Methods,
    "instance": Custom,
    "module": lambda: inspect,
    "code": lambda: itself.__code__,
    "number": lambda: 5,
}
PREDICATES: dict[str, Callable[[Any], bool]] = {
    name: getattr(inspect, name)
    for name in [
        "iscoroutine",
        "iscoroutinefunction",
        "isgenerator",
        "isgeneratorfunction",
        "isasyncgen",
        "isasyncgenfunction",
        "isfunction",
        "ismethod",
        "isbuiltin",
        "isclass",
        "ismodule",
        "iscode",
        "isabstract",
    ]
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_inspect_sees_the_object(name: str) -> None:
    subject = SUBJECTS[name]()
    handle: Any = ThreadHandle(subject)
    for predicate in PREDICATES.values():
        assert predicate(handle) == predicate(subject), predicate
    if inspect.isawaitable(subject):
        assert inspect.isawaitable(handle)
    for get_state in (inspect.getcoroutinestate, inspect.getgeneratorstate):
        try:
            expected: Any = get_state(subject)
        except AttributeError:
            continue
        assert get_state(handle) == expected
    if inspect.iscoroutine(subject):
        subject.close()
