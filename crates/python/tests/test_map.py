"""Results that come back."""

from __future__ import annotations

import queue
import threading
import time

import inflight
import pytest


def test_results_come_in_the_order_of_the_items():
    def slow_at_first(n):
        time.sleep(0.02 if n < 4 else 0)
        return n

    assert inflight.map(range(100), compute=slow_at_first).to_list() == list(range(100))
    assert sorted(inflight.map(range(100), compute=slow_at_first, ordered=False)) == list(range(100))


def test_an_item_that_fails_raises_in_its_place():
    def compute(n):
        if n == 50:
            raise KeyError("fifty")
        return n

    seen = []
    results = inflight.map(range(100), compute=compute)
    with pytest.raises(inflight.ItemError) as raised:
        for result in results:
            seen.append(result)
    assert seen == list(range(50))
    assert (raised.value.index, raised.value.step) == (50, "compute")
    assert isinstance(raised.value.__cause__, KeyError)
    assert list(results) == []


def test_errors_can_be_skipped_or_returned():
    def compute(n):
        return 10 // (n - 2)

    assert inflight.map(range(5), compute=compute, errors="skip").to_list() == [-5, -10, 10, 5]
    results = inflight.map(range(5), compute=compute, errors="return").to_list()
    assert [type(one).__name__ for one in results] == ["int", "int", "ItemError", "int", "int"]
    with pytest.raises(inflight.UsageError, match="valid: 'raise'"):
        inflight.map(range(5), compute=compute, errors="ignore")


def test_a_fetch_that_fails_has_its_place_too():
    async def fetch(n):
        if n % 3 == 1:
            raise inflight.Permanent(f"no {n}")
        return n

    results = inflight.map(range(9), fetch=fetch, errors="return").to_list()
    assert [str(one) if isinstance(one, Exception) else one for one in results][:3] == [
        0,
        "item 1, fetch: raised Permanent: no 1 (test_map.py:53)",
        2,
    ]


def test_nobody_reads_ahead_of_who_takes():
    pulled = 0

    def items():
        nonlocal pulled
        for n in range(1_000_000):
            pulled += 1
            yield n

    results = inflight.map(items(), compute=int)
    first = [next(results) for _ in range(10)]
    time.sleep(1.0)
    before = pulled
    time.sleep(0.5)
    assert first == list(range(10))
    assert pulled == before < 100_000
    results.close()


def test_leaving_the_loop_early_ends_the_job():
    threads = threading.active_count()
    for n in inflight.map(iter(int, 1), compute=int, ordered=False):
        assert n == 0
        break
    assert threading.active_count() <= threads + 1


def test_an_iterator_that_waits_holds_nothing_back():
    """A crawler: results give new items."""
    todo: queue.Queue[int | None] = queue.Queue()
    for n in (1, 2, 3):
        todo.put(n)
    seen = []
    for n in inflight.map(iter(todo.get, None), compute=int, ordered=False):
        seen.append(n)
        if n < 20:
            todo.put(n * 10)
        if len(seen) == 7:
            todo.put(None)
    assert sorted(seen) == [1, 2, 3, 10, 20, 30, 100]


def test_a_generator_that_raises_ends_the_run_and_keeps_the_cause():
    def items():
        yield from range(5)
        raise OSError("the tape is torn")

    seen = []
    with pytest.raises(inflight.RunError) as ended:
        for n in inflight.map(items(), compute=int):
            seen.append(n)
    assert seen == [0, 1, 2, 3, 4]
    assert ended.value.code == 1
    assert isinstance(ended.value.__cause__, OSError)


def test_the_summary_is_there_at_the_end():
    results = inflight.map(range(5), compute=int)
    assert results.summary is None
    assert len(list(results)) == 5
    assert results.summary is not None and results.summary.saved == 5


def test_what_map_cannot_do_is_refused():
    with pytest.raises(inflight.UsageError, match="use run"):
        inflight.map(range(5), compute=int, journal="x.journal")


def test_objects_of_this_process_stay_what_they_are():
    items = [object() for _ in range(100)]
    got = inflight.map(items, fetch=lambda item: item).to_list()
    assert all(one is other for one, other in zip(items, got))


def test_nothing_is_kept_when_it_is_over():
    from inflight._inflight import Run

    inflight.map([object() for _ in range(100)], fetch=lambda item: [item]).to_list()
    inflight.map(range(10), fetch=lambda item: item, errors="skip").close()
    # What a thread has just answered is let go of by that thread.
    end = time.monotonic() + 5
    while Run.objects() and time.monotonic() < end:
        time.sleep(0.01)
    assert Run.objects() == 0


def test_results_make_frames():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]

    def double(row):
        return {**row, "a": row["a"] * 2}

    assert inflight.map(pandas.DataFrame(rows), compute=double).to_pandas()["a"].tolist() == [2, 4]
    assert inflight.map(polars.DataFrame(rows), compute=double).to_polars()["a"].to_list() == [2, 4]
    assert inflight.map(range(3), compute=int).to_polars()["result"].to_list() == [0, 1, 2]
