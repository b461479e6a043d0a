"""Fetches and saves of Python: on loops and threads, and what their exceptions mean."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import time

import inflight
import pytest


class Got(list):
    """What was saved."""


def test_async_saves_overlap():
    got = Got()

    async def save(item):
        await asyncio.sleep(0.05)
        got.append(item)

    began = time.monotonic()
    summary = inflight.run(range(200), save=save, in_flight=100)
    assert sorted(got) == list(range(200)) and summary.saved == 200
    assert time.monotonic() - began < 2


def test_plain_functions_run_on_threads():
    names = set()

    def save(item):
        names.add(threading.current_thread().name)
        time.sleep(0.02)

    began = time.monotonic()
    assert inflight.run(range(200), save=save, in_flight=50).saved == 200
    assert time.monotonic() - began < 2
    assert names == {"inflight-save"}


def test_an_async_context_manager_is_entered_once_on_the_loop_it_is_used_on():
    events, loops = [], set()

    @contextlib.asynccontextmanager
    async def saver():
        events.append("enter")
        loops.add(asyncio.get_running_loop())

        async def save(item):
            loops.add(asyncio.get_running_loop())
            events.append(item)

        try:
            yield save
        finally:
            events.append("leave")

    assert inflight.run(range(10), save=saver).saved == 10
    assert events[0] == "enter" and events[-1] == "leave" and len(events) == 12
    assert len(loops) == 1


def test_plain_context_managers_classes_and_partials_work():
    got = Got()

    @contextlib.contextmanager
    def saver():
        yield got.append
        got.append("left")

    inflight.run(range(3), save=saver)
    assert sorted(got[:3]) == [0, 1, 2] and got[3] == "left"

    class Saver:
        async def __call__(self, item):
            got.append(item)

    got.clear()
    inflight.run(range(3), save=Saver())
    inflight.run(range(3), save=functools.partial(lambda to, item: to.append(item), got))
    assert sorted(got) == [0, 0, 1, 1, 2, 2]


def test_a_context_manager_that_cannot_be_entered_ends_it_at_once():
    @contextlib.asynccontextmanager
    async def saver():
        raise OSError("no such database")
        yield

    with pytest.raises(OSError, match="no such database"):
        inflight.run(range(3), save=saver)

    @contextlib.asynccontextmanager
    async def nothing():
        yield 5

    with pytest.raises(inflight.UsageError, match="a function is needed"):
        inflight.run(range(3), save=nothing)


def test_what_a_plain_function_gives_to_await_is_awaited():
    async def later(n):
        await asyncio.sleep(0.01)
        return n + 1

    assert inflight.map(range(5), fetch=lambda n: later(n)).to_list() == [1, 2, 3, 4, 5]


def test_fetch_compute_and_save_of_python_in_one_job():
    got = Got()

    async def fetch(n):
        return {"n": n}

    async def save(result):
        got.append(result)

    summary = inflight.run(range(20), fetch=fetch, compute=lambda page: page["n"] * 2, save=save)
    assert summary.saved == 20 and sorted(got) == [n * 2 for n in range(20)]


class Status(Exception):
    """As HTTP clients raise it."""

    def __init__(self, status, headers=None):
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers or {}


class Response(Exception):
    """As httpx and requests raise it."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.response = type("R", (), {"status_code": status, "headers": {}})()


def caused_by(cause):
    error = RuntimeError("wrapped")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (inflight.Permanent("x"), "permanent"),
        (inflight.Retry("x"), "transient"),
        (inflight.Overloaded("x"), "overload"),
        (Status(404), "permanent"),
        (Status(429), "overload"),
        (Status(503), "overload"),
        (Status(500), "transient"),
        (Status(504), "in doubt"),
        (Response(422), "permanent"),
        (Response(503), "overload"),
        (ConnectionRefusedError(), "unreached"),
        (socket.gaierror(-2, "no such host"), "unreached"),
        (caused_by(ConnectionRefusedError()), "unreached"),
        (TimeoutError(), "in doubt"),
        (asyncio.TimeoutError(), "in doubt"),
        (asyncio.CancelledError(), "in doubt"),
        (TypeError("x"), "permanent"),
        (NameError("x"), "permanent"),
        (ImportError("x"), "permanent"),
        (ValueError("x"), "transient"),
        (OSError("x"), "transient"),
    ],
)
def test_what_an_exception_means(error, verdict):
    from inflight._errors import verdict as decide

    assert decide(error, computes=False)[0] == verdict


def test_a_permanent_failure_is_called_once_and_others_again():
    calls: dict[int, int] = {}

    async def save(item):
        calls[item] = calls.get(item, 0) + 1
        if item == 0:
            raise inflight.Permanent("never")
        if item == 1 and calls[item] < 3:
            raise ValueError("later")

    summary = inflight.run(range(5), save=save, retries=5)
    assert (summary.saved, summary.dead) == (4, 1)
    assert calls[0] == 1 and calls[1] == 3
    [letter] = summary.dead_letters()
    assert letter.step == "save" and isinstance(letter.__cause__, inflight.Permanent)


def test_retry_after_is_waited_for():
    times: list[float] = []

    async def save(item):
        times.append(time.monotonic())
        if len(times) == 1:
            raise inflight.Retry("soon", after=1.0)

    assert inflight.run([1], save=save).saved == 1
    assert times[1] - times[0] >= 1.0


def test_an_overload_costs_no_attempt():
    calls = 0

    async def save(item):
        nonlocal calls
        calls += 1
        if calls <= 8:
            raise inflight.Overloaded(after=0.01)

    assert inflight.run([1], save=save, retries=0).saved == 1


def test_a_call_that_takes_too_long_is_cancelled_and_tried_again():
    cancelled = []
    calls = 0

    async def save(item):
        nonlocal calls
        calls += 1
        if calls == 1:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                cancelled.append(item)
                raise

    assert inflight.run([1], save=save, timeout=0.3).saved == 1
    assert cancelled == [1]


def test_a_mistake_of_the_program_ends_the_run():
    async def save(item):
        return item.upper()

    with pytest.raises(inflight.RunError, match="AttributeError"):
        inflight.run(range(10_000), save=save, halt="never")


def test_a_job_within_a_callback_is_refused():
    seen = []

    def save(item):
        try:
            inflight.run(range(3), save="null:")
        except RuntimeError as error:
            seen.append(str(error))

    async def save_async(item):
        save(item)

    inflight.run([1], save=save)
    inflight.run([1], save=save_async)
    assert len(seen) == 2 and all("cannot run a job of its own" in one for one in seen)


def test_the_users_own_client_saves(lab):
    aiohttp = pytest.importorskip("aiohttp")
    service = lab("--latency", "20ms", "--capacity", "50")

    @contextlib.asynccontextmanager
    async def saver():
        async with aiohttp.ClientSession() as session:

            async def save(result):
                async with session.post(service.url + "/add", data=result) as answer:
                    answer.raise_for_status()

            yield save

    summary = inflight.run(range(300), compute=str, save=saver)
    assert summary.saved == 300
    assert sorted(map(int, service.results())) == list(range(300))
