"""One job: its parts put together, and what of it runs in Python while the engine runs."""

from __future__ import annotations

import asyncio
import atexit
import datetime
import json
import os
import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from . import _calls, _notebook, _pickling, _sources
from ._calls import Function, LoopDriver, ThreadDriver
from ._errors import Error, RunError, UsageError
from ._inflight import Refused, Results, Run
from ._summary import Summary, summary_of

#: How often whoever waits looks for signals, in milliseconds.
LOOK_EVERY = 50

#: What starts a worker: this package, wherever it was found, before anything else of that name.
_WORKER = "import sys; sys.path.insert(0, {folder!r}); from inflight._worker import main; main()"

_forked = False
_running: weakref.WeakSet[Job] = weakref.WeakSet()


def _in_child() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_in_child)


@atexit.register
def _at_exit() -> None:
    """Drains what still runs for 2 s, then ends it."""
    jobs = [] if _forked else list(_running)
    for job in jobs:
        job.stop()
    for job in jobs:
        if not job.run.wait(2000):
            job.stop()
            job.run.wait(1000)


class Job:
    """A job that was asked for. Made first, so that whatever is wrong with it is said before anything runs."""

    def __init__(
        self,
        source: Any,
        *,
        fetch: Any,
        compute: Any,
        save: Any,
        init: Callable[[], object] | None,
        compute_in: str,
        input_id: str | None,
        keywords: dict[str, Any],
        command: str = "run",
        ordered: bool | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if _forked:
            raise RuntimeError("inflight cannot be used in a process that was forked; start a fresh one (spawn)")
        if _calls.inside.get():
            raise RuntimeError("a function that a job calls cannot run a job of its own; return, and run it afterwards")
        #: The caller's loop, or the one of a thread of ours, made when something needs it.
        self.loop = loop
        self.is_own_loop = False
        self.loop_thread: threading.Thread | None = None
        self.command = command
        self.results = None if ordered is None else Results(ordered)
        self.functions: list[Function] = []
        self.tasks: list[Any] = []
        self.interrupted = False
        self._keep(source, fetch, compute, save, init, compute_in, input_id, dict(keywords))
        _running.add(self)

    def _keep(
        self,
        source: Any,
        fetch: Any,
        compute: Any,
        save: Any,
        init: Callable[[], object] | None,
        compute_in: str,
        input_id: str | None,
        keywords: dict[str, Any],
    ) -> None:
        where_computed = _where(compute, compute_in)
        saves_here = self.results is not None or not isinstance(save, str)
        # Who gets a value next decides what becomes of it.
        to_save = "object" if saves_here else "text"
        to_compute = {"none": to_save, "rust": "text", "workers": "pickle", "threads": "object"}[where_computed]
        to_fetch = to_compute if fetch is None else ("text" if isinstance(fetch, str) else "object")
        path = _sources.path_of(source)
        names_fields = any(keywords.get(name) for name in ("key", "order_by", "columns"))
        is_known = isinstance(fetch, str) or isinstance(save, str) or names_fields
        items = "bytes" if isinstance(fetch, str) else "text"
        if path is not None and _sources.is_range(path) and not isinstance(fetch, str):
            items = "int"
        decode = _decoder(items)
        given: dict[str, Any] = {}
        self.source: _sources.Source | None = None
        if path is None:
            if isinstance(source, (bytes, bytearray)) or not (hasattr(source, "__iter__") or hasattr(source, "__aiter__")):
                raise UsageError(f"{source!r:.80} gives no items; give an iterable, a file, or a range such as '0..600'", 2)
            encode = _sources.encoder(to_fetch, is_known=is_known)
            self.source = _sources.Source(source, encode, input_id=input_id, spawn=self.spawn)
            given["source"] = self.source
        elif input_id is not None:
            raise UsageError("input_id names items of this program; a file or range is known by itself", 2)
        if fetch is not None and not isinstance(fetch, str):
            # What a function is given first is the item.
            function = Function(fetch, "fetch", decode, _encoder(to_compute), on_loop=self.loop is not None)
            self.functions.append(function)
            given["fetch"] = function.calls
            keywords["fetch"] = _name("fetch", fetch)
        elif fetch is not None:
            keywords["fetch"] = fetch
        if where_computed in ("workers", "threads"):
            gives = "object" if saves_here else "text"
            keywords["compute"] = _name("compute", compute)
            if where_computed == "workers":
                given["compute"] = _workers(compute, init, items, gives)
            else:
                given["compute"] = _Threads(compute, init, decode, _encoder(gives)).many
        elif compute is not None:
            keywords["compute"] = compute
        if init is not None and where_computed not in ("workers", "threads"):
            raise UsageError("init prepares a process for compute, and no function is given to compute", 2)
        if self.results is None and not isinstance(save, str):
            function = Function(save, "save", decode, _nothing, on_loop=self.loop is not None)
            self.functions.append(function)
            given["save"] = function.calls
            keywords["save"] = _name("save", save)
        elif self.results is not None:
            given["results"] = self.results
            keywords["save"] = "python:results"
        else:
            keywords["save"] = save
        self.decode = decode
        #: Whether nobody said how progress is shown.
        self.shows_progress = not any(keywords.get(name) for name in ("quiet", "progress"))
        self.keywords = _plain(keywords, is_map=self.results is not None)
        shown = path if path is not None else f"python:{type(source).__name__}"
        self.run = Run(self.command, shown, self.keywords, **given)

    # -- what runs in Python ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Enters what has to be entered, on threads of ours where it is async, and begins."""
        try:
            if any(function.needs_loop for function in self.functions):
                self.own_loop()
            for function in self.functions:
                if function.kind == "manager":
                    function.enter()
                if function.needs_loop:
                    self.on_loop(self._begin(function))
                else:
                    function.driver = ThreadDriver(function, self.await_elsewhere)
            self.run.start()
        except BaseException:
            self.finish()
            raise

    def finish(self) -> None:
        """Leaves what was entered. The engine is over, or never began."""
        for function in reversed(self.functions):
            if function.needs_loop or function.kind == "amanager":
                if self.loop is not None:
                    self.on_loop(self._end(function))
            else:
                if isinstance(function.driver, ThreadDriver):
                    function.driver.stop()
                function.leave()
        if self.is_own_loop and self.loop is not None:
            loop, self.loop = self.loop, None
            loop.call_soon_threadsafe(loop.stop)
            if self.loop_thread is not None:
                self.loop_thread.join()
        _running.discard(self)

    async def start_async(self) -> None:
        """As :meth:`start`, on the caller's loop."""
        try:
            for function in self.functions:
                if function.kind == "manager":
                    function.enter()
                if function.needs_loop:
                    await self._begin(function)
                else:
                    function.driver = ThreadDriver(function, self.await_elsewhere)
            self.run.start()
        except BaseException:
            await self.finish_async()
            raise

    async def finish_async(self) -> None:
        """As :meth:`finish`, on the caller's loop."""
        for function in reversed(self.functions):
            if isinstance(function.driver, ThreadDriver):
                function.driver.stop()
                function.leave()
            else:
                await self._end(function)
        for task in self.tasks:
            task.cancel()
        _running.discard(self)

    async def _begin(self, function: Function) -> None:
        assert self.loop is not None
        if function.kind == "amanager":
            await function.enter_async()
        function.driver = LoopDriver(function, self.loop)

    async def _end(self, function: Function) -> None:
        if isinstance(function.driver, LoopDriver):
            await function.driver.stop()
        await function.leave_async()

    def own_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the job; one on a thread of ours if there is none."""
        if self.loop is None:
            loop = self.loop = asyncio.new_event_loop()
            self.is_own_loop = True
            self.loop_thread = threading.Thread(target=_serve, args=(loop,), name="inflight-loop", daemon=True)
            self.loop_thread.start()
        return self.loop

    def on_loop(self, work: Any) -> Any:
        """Does something on the loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self.own_loop()).result()

    def spawn(self, work: Any) -> None:
        """Starts something on the loop."""
        self.tasks.append(asyncio.run_coroutine_threadsafe(work, self.own_loop()))

    def await_elsewhere(self, work: Any, then: Callable[[Any], None]) -> None:
        """Awaits something on the loop, and hands over what came of it."""
        future = asyncio.run_coroutine_threadsafe(work, self.own_loop())
        future.add_done_callback(lambda done: then(done.result()))

    # -- waiting ------------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Drains; called again, ends without the answers to what is in flight."""
        if self.results is not None:
            self.results.close()
        self.run.stop()

    def wait(self) -> None:
        """Waits until it is over. Ctrl-C drains it, and once more ends it."""
        shown = _notebook.Progress.of(self)
        while True:
            try:
                while not self.run.wait(LOOK_EVERY):
                    shown.show(self.run)
                shown.show(self.run, is_over=True)
                return
            except KeyboardInterrupt:
                self.interrupted = True
                self.run.stop()

    def outcome(self) -> tuple[str, str, int]:
        """What it came to, as JSON and for people, and the exit code of the command.

        Raises why there is none.
        """
        try:
            return self.run.outcome()
        except Refused as refused:
            code, message = refused.args
            raise self._refusal(code, message) from None

    def document(self) -> tuple[dict[str, Any], str]:
        """What a comparison or a plan came to: the object and the table."""
        details, text, _ = self.outcome()
        if self.interrupted:
            raise KeyboardInterrupt
        return json.loads(details), text

    def summary(self) -> Summary:
        """What it came to.

        Raises what ended it early.
        """
        details, text, code = self.outcome()
        summary = summary_of(json.loads(details), text, self.run.letters())
        if self.interrupted:
            interrupt = KeyboardInterrupt()
            interrupt.summary = summary  # type: ignore[attr-defined]
            raise interrupt
        if summary.ending != "complete":
            why = summary.details["ending"].get("why") or summary.sentence
            cause = self.source.feed.error if self.source is not None and self.source.feed is not None else None
            raise RunError(f"{why}; {summary.saved} of {summary.items} items are done", code, summary) from cause
        return summary

    def _refusal(self, code: int, message: str) -> BaseException:
        if self.interrupted:
            return KeyboardInterrupt()
        if code == 2:
            return UsageError(message, code)
        return Error(message, code)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _where(compute: Any, compute_in: str) -> str:
    if compute_in not in ("auto", "processes", "threads"):
        raise UsageError(f"compute_in: {compute_in!r}; valid: 'auto', 'processes', 'threads'", 2)
    if compute is None:
        return "none"
    if isinstance(compute, str):
        return "rust"
    if not callable(compute):
        raise UsageError(f"compute: {compute!r:.80} is no function, no class and no name of a computation", 2)
    if _calls.kind_of(compute) == "async":
        raise UsageError("compute is CPU work, and an async def waits; give it as fetch or save", 2)
    is_free = not getattr(sys, "_is_gil_enabled", lambda: True)()
    return "threads" if compute_in == "threads" or (compute_in == "auto" and is_free) else "workers"


def _decoder(items: str) -> _calls.Decode:
    def decode(kind: int, value: Any) -> Any:
        if kind == _pickling.OBJECT:
            return value
        if kind == _pickling.PICKLE:
            return pickle.loads(value)
        if kind == _pickling.JSON:
            return json.loads(value)
        if items == "int":
            return int(value)
        return value.decode() if items == "text" else value

    return decode


def _encoder(wanted: str) -> _calls.Encode:
    if wanted == "text":
        return lambda value: (*_pickling.as_text(value), None)
    if wanted == "pickle":
        return _pickling.dumps
    return lambda value: (_pickling.OBJECT, value, None)


def _nothing(_: Any) -> None:
    """What a save returns is not wanted."""
    return None


def _name(step: str, code: Any) -> str:
    """What a function is called in summaries, and known by to a journal."""
    code = getattr(code, "func", code)
    name = getattr(code, "__qualname__", type(code).__qualname__)
    return f"python:{getattr(code, '__module__', '?')}.{name}"


def _workers(compute: Any, init: Any, items: str, gives: str) -> tuple[list[str], bytes]:
    import subprocess

    if not sys.executable:
        raise UsageError("this interpreter has no program that workers could run; add compute_in='threads'", 2)
    import cloudpickle

    try:
        code = cloudpickle.dumps((init, compute), 5)
    except Exception as error:
        name = getattr(compute, "__qualname__", type(compute).__name__)
        raise UsageError(
            f"compute: {name} cannot be sent to worker processes: {error}; make such a thing in the __init__ of a class, "
            "or add compute_in='threads'",
            2,
        ) from error
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = [
        sys.executable,
        *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
        "-c",
        _WORKER.format(folder=folder),
        str(os.getpid()),
    ]
    try:
        here = os.getcwd()
    except OSError:
        here = "/"
    return command, pickle.dumps((list(sys.path), here, items, gives, code), 5)


class _Threads:
    """Computes on threads of this process: one instance of a class for each."""

    def __init__(self, compute: Any, init: Any, decode: _calls.Decode, encode: _calls.Encode) -> None:
        self.compute = compute
        self.init = init
        self.decode = decode
        self.encode = encode
        self.mine = threading.local()

    def many(self, items: list[tuple[int, Any]]) -> list[tuple[bool, Any]]:
        from . import _errors

        if not hasattr(self.mine, "compute"):
            _calls.inside.set(True)
            if self.init is not None:
                self.init()
            self.mine.compute = self.compute() if _pickling.is_maker(self.compute) else self.compute
            self.mine.mistakes = _errors.Mistakes()
        answers: list[tuple[bool, Any]] = []
        for kind, value in items:
            try:
                answers.append((True, self.encode(self.mine.compute(self.decode(kind, value)))))
                self.mine.mistakes.none()
            except BaseException as error:  # noqa: BLE001
                told = _errors.told(error, computes=True)
                if self.mine.mistakes.are_all(error):
                    told = told._replace(verdict="stop")
                answers.append((False, told))
        return answers


def _plain(keywords: dict[str, Any], *, is_map: bool) -> dict[str, Any]:
    """Keywords as flags take them, with what is other than on the command line."""
    if is_map:
        for name in ("journal", "once", "fresh"):
            if keywords.get(name):
                raise UsageError(f"{name} is about what earlier runs have saved, and map saves nothing; use run", 2)
        keywords.setdefault("no_record", True)
    # A call that is repeated does its work again, unless somebody says where it is kept.
    if not keywords.get("journal"):
        keywords.setdefault("no_journal", True)
    is_said = any(keywords.get(name) for name in ("quiet", "verbose", "progress"))
    if not is_said:
        keywords["quiet"] = not sys.stderr.isatty()
    plain = {}
    for name, value in keywords.items():
        if value is None:
            continue
        if isinstance(value, datetime.timedelta):
            value = value.total_seconds()
        elif isinstance(value, os.PathLike):
            value = os.fsdecode(value)
        elif isinstance(value, (list, tuple)):
            value = [str(one) for one in value]
        plain[name] = value
    return plain
