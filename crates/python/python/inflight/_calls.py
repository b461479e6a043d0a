"""Code of the user's that fetches or saves: on an event loop, or on threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any

from . import _errors
from ._errors import Mistakes, UsageError
from ._inflight import Calls

#: Threads that call a plain function, at most: each costs memory, and they share one interpreter.
THREADS_MAX = 64

#: Calls of an ``async def`` at once, at most; the limit is found below that.
TASKS_MAX = 65_536

#: Calls that are taken in one turn of a loop.
PASS = 256

#: Whether this code was called by a job.
inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inflight_inside", default=False)

Decode = Callable[[int, Any], Any]
Encode = Callable[[Any], Any]


def kind_of(code: Any) -> str:
    """``async``, ``sync``, or a context manager that has to be entered first: ``amanager``, ``manager``."""
    if inspect.iscoroutinefunction(code):
        return "async"
    wrapped = getattr(code, "__wrapped__", None)
    if inspect.isasyncgenfunction(wrapped):
        return "amanager"
    if inspect.isgeneratorfunction(wrapped):
        return "manager"
    if hasattr(code, "__aenter__"):
        return "amanager"
    if hasattr(code, "__enter__") and not (callable(code) and not isinstance(code, type)):
        return "manager"
    if callable(code):
        # Of an object, what calling it is.
        return "async" if inspect.iscoroutinefunction(getattr(code, "__call__", None)) else "sync"
    raise UsageError(f"{code!r:.80} is no function, no context manager and no address", 2)


class Function:
    """A fetch or a save, with the calls of it that are on their way."""

    def __init__(self, code: Any, step: str, decode: Decode, encode: Encode, *, on_loop: bool) -> None:
        self.code = code
        self.step = step
        self.decode = decode
        self.encode = encode
        self.kind = kind_of(code)
        self.manager: Any = None
        #: A lambda of a job that runs on the caller's loop gives something to await.
        self.is_on_loop = on_loop and getattr(code, "__name__", "") == "<lambda>"
        is_threaded = self.kind in ("sync", "manager") and not self.is_on_loop
        self.calls = Calls(THREADS_MAX if is_threaded else TASKS_MAX)
        self.mistakes = Mistakes()
        self.driver: LoopDriver | ThreadDriver | None = None

    async def enter_async(self) -> None:
        """Enters an async context manager, on the loop that it will be used on."""
        self.manager = self.code if hasattr(self.code, "__aexit__") and not isinstance(self.code, type) else self.code()
        self.entered(await self.manager.__aenter__())

    async def leave_async(self) -> None:
        """Leaves it."""
        if self.manager is not None:
            manager, self.manager = self.manager, None
            await manager.__aexit__(None, None, None)

    def enter(self) -> None:
        """Enters a plain context manager."""
        self.manager = self.code if hasattr(self.code, "__exit__") and not isinstance(self.code, type) else self.code()
        self.entered(self.manager.__enter__())

    def leave(self) -> None:
        """Leaves it."""
        if self.manager is not None:
            manager, self.manager = self.manager, None
            manager.__exit__(None, None, None)

    def entered(self, value: Any) -> None:
        if not callable(value):
            raise UsageError(f"{self.step}: the context manager gave {value!r:.80}, and a function is needed", 2)
        self.code = value
        self.kind = kind_of(value)

    @property
    def needs_loop(self) -> bool:
        return self.kind in ("async", "amanager") or self.is_on_loop

    def done(self, call: int, result: Any) -> tuple[int, bool, Any]:
        """The answer to a call that came back."""
        try:
            answer = (call, True, self.encode(result))
        except Exception as error:
            return self.failed(call, error)
        self.mistakes.none()
        return answer

    def failed(self, call: int, error: BaseException) -> tuple[int, bool, Any]:
        """The answer to a call that raised."""
        told = _errors.told(error, computes=False)
        if self.mistakes.are_all(error):
            told = told._replace(verdict="stop")
        return call, False, told


class LoopDriver:
    """Calls a function on an event loop."""

    def __init__(self, function: Function, loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.answers: list[Any] = []
        self.context = contextvars.copy_context()
        self.context.run(inside.set, True)
        loop.add_reader(function.calls.fileno(), self.serve)

    def serve(self) -> None:
        """Starts what was asked, and ends what was given up."""
        asked, given_up = self.function.calls.take(PASS)
        for call, kind, value in asked:
            # A task copies the context that it is made in; in this one it is known that a job calls.
            task = self.context.run(self.loop.create_task, self.one(call, kind, value))
            self.tasks[call] = task
        for call in given_up:
            given = self.tasks.get(call)
            if given is not None:
                given.cancel()

    async def one(self, call: int, kind: int, value: Any) -> None:
        function = self.function
        try:
            result = function.code(function.decode(kind, value))
            if inspect.isawaitable(result):
                result = await result
            answer = function.done(call, result)
        except asyncio.CancelledError as error:
            if call not in self.tasks or self.function.driver is None:
                raise
            answer = function.failed(call, error)
        except Exception as error:
            answer = function.failed(call, error)
        self.tasks.pop(call, None)
        if not self.answers:
            self.loop.call_soon(self.flush)
        self.answers.append(answer)

    def flush(self) -> None:
        """Answers all that is done in one call."""
        answers, self.answers = self.answers, []
        self.function.calls.answer(answers)

    async def stop(self) -> None:
        """Serves no more; what is at work is cancelled, and waited for."""
        self.function.driver = None
        self.loop.remove_reader(self.function.calls.fileno())
        self.function.calls.close()
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ThreadDriver:
    """Calls a function on threads, as many as there are calls, up to a bound."""

    def __init__(self, function: Function, await_elsewhere: Callable[[Any, Callable[[Any], None]], None]) -> None:
        self.function = function
        self.await_elsewhere = await_elsewhere
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        self.idle = 0
        self.more()

    def more(self) -> None:
        """Starts another thread, if one may be."""
        with self.lock:
            if len(self.threads) < THREADS_MAX:
                # A daemon: a call that hangs must not hold the interpreter at its end.
                thread = threading.Thread(target=self.work, name=f"inflight-{self.function.step}", daemon=True)
                self.threads.append(thread)
                thread.start()

    def work(self) -> None:
        inside.set(True)
        function, calls = self.function, self.function.calls
        while True:
            with self.lock:
                self.idle += 1
            try:
                taken = calls.wait(60_000)
            finally:
                with self.lock:
                    self.idle -= 1
            if taken is None:
                return
            for call, kind, value in taken[0]:
                if calls.waiting() and not self.idle:
                    self.more()
                self.one(call, kind, value)

    def one(self, call: int, kind: int, value: Any) -> None:
        function = self.function
        try:
            result = function.code(function.decode(kind, value))
        except BaseException as error:  # noqa: BLE001
            function.calls.answer([function.failed(call, error)])
            return
        if inspect.isawaitable(result):
            self.await_elsewhere(_awaited(function, call, result), lambda answer: function.calls.answer([answer]))
        else:
            function.calls.answer([function.done(call, result)])

    def stop(self) -> None:
        """Serves no more; a call that is at work is left behind."""
        self.function.calls.close()


async def _awaited(function: Function, call: int, result: Any) -> Any:
    try:
        return function.done(call, await result)
    except BaseException as error:  # noqa: BLE001
        return function.failed(call, error)
