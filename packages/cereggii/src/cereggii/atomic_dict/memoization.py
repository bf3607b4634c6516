# SPDX-License-Identifier: Apache-2.0
"""Functions and methods whose results are cached."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import types
import weakref
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)

from cereggii_atomicdict import AtomicDict, ExpectationFailed

if TYPE_CHECKING:
    from cereggii.atomic_dict.atomic_cache import AtomicCache

__all__ = ["MemoizedFunction"]

_P = ParamSpec("_P")
_MethodP = ParamSpec("_MethodP")
_R = TypeVar("_R")
_MethodR = TypeVar("_MethodR")
_Instance = TypeVar("_Instance")

_KEYWORDS = object()  # stands before the keyword arguments of a key, and nowhere else


class MemoizedFunction(Generic[_P, _R]):
    """A function whose results are cached: see `AtomicCache.memoize`."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[_P, _R]

    def __init__(
        self,
        cache_class: type[AtomicCache[Any, Any]],
        func: Callable[_P, _R],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if not callable(func):
            raise TypeError(f"func must be callable, not {func!r}")
        classes = _Classes()
        this = weakref.ref(self)

        def fill(key: tuple[Any, ...]) -> _R:
            if key and isinstance(key[0], type):
                classes.add_if_method(key[0], this())
            for index, part in enumerate(key):
                if part is _KEYWORDS:
                    return func(*key[:index], **dict(key[index + 1 :]))
            return func(*key)  # type: ignore[call-arg]

        functools.update_wrapper(self, func)
        # Set after `update_wrapper`, which copies attributes of these names from the function.
        self.cache: AtomicCache[tuple[Any, ...], _R] = cache_class(fill, *args, **kwargs)
        self._classes = classes

    def __call__(self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result for these arguments."""
        return self.cache[self._key(args, kwargs) if kwargs else args]

    def invalidate(self, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Forget the result for these arguments.

        Of a class method on Python 3.13 and later, forget it for all classes. (The interpreter does
        not say on which class it is called.)
        """
        key = self._key(args, kwargs) if kwargs else args
        self.cache.invalidate(key)
        for cls in self._classes.alive():
            self.cache.invalidate((cls, *key))

    def clear(self) -> None:
        """Forget all results."""
        self.cache.clear()

    @staticmethod
    def _key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return (*args, _KEYWORDS, *sorted(kwargs.items(), key=operator.itemgetter(0)))

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Instance, _MethodP], _MethodR],
        instance: _Instance,
        owner: type | None = None,
    ) -> _MemoizedMethod[_MethodP, _MethodR]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _MemoizedMethod(self, instance)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.__wrapped__!r}>"


class _MemoizedMethod(Generic[_P, _R]):
    # A memoized function, bound to an instance. Its docstring is the function's.

    __slots__ = ("__func__", "__self__", "__weakref__")

    def __init__(self, function: Any, instance: Any) -> None:
        self.__func__: MemoizedFunction[..., _R] = function
        self.__self__ = instance

    def __call__(self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self.__func__(self.__self__, *args, **kwargs)

    def invalidate(self, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Forget the result for these arguments."""
        self.__func__.invalidate(self.__self__, *args, **kwargs)

    def clear(self) -> None:
        """Forget all results, including those of other instances."""
        self.__func__.clear()

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.__func__.__doc__

    if not TYPE_CHECKING:  # checkers would take any attribute for granted

        def __getattr__(self, name: str) -> Any:
            if name == "__signature__":  # without the parameter for the instance
                with contextlib.suppress(TypeError, ValueError):  # not every function has one
                    return inspect.signature(types.MethodType(self.__func__, self.__self__))
            return getattr(self.__func__, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _MemoizedMethod, (self.__func__, self.__self__)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _MemoizedMethod)
            and self.__func__ is other.__func__
            and self.__self__ is other.__self__
        )

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))


class _Classes:
    """The classes that have used a function as their class method. They are not kept alive."""

    __slots__ = ("_references",)

    def __init__(self) -> None:
        # By `id`, since classes may have their own `__eq__`.
        self._references: AtomicDict[int, weakref.ref[type]] = AtomicDict()

    def add_if_method(self, cls: type, function: object) -> None:
        """Add a class that was the first argument, if the function is its class method."""
        if id(cls) not in self._references and _is_class_method(cls, function):
            forget = functools.partial(self._forget, self._references, id(cls))
            self._references[id(cls)] = weakref.ref(cls, forget)

    def alive(self) -> list[type]:
        references = self._references.snapshot().values() if self._references else ()
        return [cls for reference in references if (cls := reference()) is not None]

    @staticmethod
    def _forget(
        references: AtomicDict[int, weakref.ref[type]], key: int, reference: weakref.ref[type]
    ) -> None:
        with contextlib.suppress(ExpectationFailed):  # another class has this id by now
            references.compare_and_delete(key, reference)


def _is_class_method(cls: type, function: object) -> bool:
    return any(
        isinstance(member, classmethod) and member.__func__ is function
        for base in cls.__mro__
        for member in [*vars(base).values()]
    )


if TYPE_CHECKING:
    # `memoize` makes a MemoizedFunction. If its first argument is a class, it may become a class
    # method. Type checkers do not see that, so it can be called in both ways.

    class MemoizedClassFunction(
        MemoizedFunction[Concatenate[type[_Instance], _P], _R], Generic[_Instance, _P, _R]
    ):
        @overload
        def __call__(self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
        @overload
        def __call__(self, cls: type[_Instance], /, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
        def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
        @overload
        def invalidate(self, /, *args: _P.args, **kwargs: _P.kwargs) -> None: ...
        @overload
        def invalidate(
            self, cls: type[_Instance], /, *args: _P.args, **kwargs: _P.kwargs
        ) -> None: ...
        def invalidate(self, /, *args: Any, **kwargs: Any) -> None: ...
        def __get__(  # type: ignore[override]
            self, instance: object, owner: type | None = None
        ) -> Self: ...

    class Memoizer(Protocol):
        @overload
        def __call__(
            self, function: Callable[Concatenate[type[_Instance], _P], _R], /
        ) -> MemoizedClassFunction[_Instance, _P, _R]: ...
        @overload
        def __call__(self, function: Callable[_P, _R], /) -> MemoizedFunction[_P, _R]: ...
