"""Fetch, compute and save many items: on all cores, with as many requests in flight as pay, and none lost.

>>> import inflight
>>> summary = inflight.run(range(100), compute=str, save="null:")
>>> summary.saved
100

``run`` saves, ``map`` gives results back; ``arun`` and ``amap`` do the same on a running event loop. Source, fetch, compute and
save are each a string, which Rust reads, or Python of yours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from ._errors import Error, ItemError, Overloaded, Permanent, Retry, RunError, UsageError
from ._inflight import __version__
from ._job import Job
from ._results import AsyncResults, Results, wait_async
from ._summary import Comparison, Plan, Summary, comparison_of, plan_of

if TYPE_CHECKING:
    import os

    from typing_extensions import Unpack

    from ._keywords import Keywords, MapKeywords

__all__ = [
    "AsyncResults",
    "Comparison",
    "Error",
    "ItemError",
    "Overloaded",
    "Permanent",
    "Plan",
    "Results",
    "Retry",
    "RunError",
    "Summary",
    "UsageError",
    "__version__",
    "amap",
    "arun",
    "compare",
    "map",
    "plan",
    "run",
]


def run(
    source: str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any],
    *,
    save: Any,
    fetch: Any = None,
    compute: Any = None,
    init: Callable[[], object] | None = None,
    compute_in: str = "auto",
    input_id: str | None = None,
    **keywords: Unpack[Keywords],
) -> Summary:
    """Does every item of ``source``: fetches it, computes with it, saves it.

    The other keywords are the flags of ``inflight run``, with ``_`` for ``-``: ``in_flight=50``, ``retries=3``, ``journal="a.journal"``.

    >>> import inflight
    >>> inflight.run(["a", "b"], save="null:").saved
    2

    Raises :class:`UsageError` when something of it cannot be used, :class:`RunError` when the run ended before its input did, and
    ``KeyboardInterrupt`` after Ctrl-C, once what was in flight is answered. An item that is given up raises nothing; see
    :meth:`Summary.dead_letters` and :meth:`Summary.raise_for_dead`.
    """
    job = Job(
        source,
        fetch=fetch,
        compute=compute,
        save=_needed(save),
        init=init,
        compute_in=compute_in,
        input_id=input_id,
        keywords=dict(keywords),
    )
    job.start()
    try:
        job.wait()
    finally:
        job.finish()
    return job.summary()


def map(
    source: str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any],
    *,
    fetch: Any = None,
    compute: Any = None,
    ordered: bool = True,
    errors: str = "raise",
    init: Callable[[], object] | None = None,
    compute_in: str = "auto",
    **keywords: Unpack[MapKeywords],
) -> Results[Any]:
    """Gives back what comes of every item, as an iterator that keeps the job going.

    >>> import inflight
    >>> inflight.map(range(3), compute=str).to_list()
    ['0', '1', '2']

    ``ordered=False`` gives results as they are ready. ``errors`` says what becomes of an item that is given up: ``"raise"`` raises
    :class:`ItemError` in its place, ``"skip"`` leaves it out, ``"return"`` gives the :class:`ItemError`.
    """
    return Results(_mapping(source, fetch, compute, ordered, errors, init, compute_in, dict(keywords), None), errors)


async def arun(
    source: str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any],
    *,
    save: Any,
    fetch: Any = None,
    compute: Any = None,
    init: Callable[[], object] | None = None,
    compute_in: str = "auto",
    input_id: str | None = None,
    **keywords: Unpack[Keywords],
) -> Summary:
    """As :func:`run`, on the running event loop, so that ``fetch`` and ``save`` can use what lives there.

    Cancelled, it waits for the answers to what is in flight, and is cancelled then.
    """
    job = Job(
        source,
        fetch=fetch,
        compute=compute,
        save=_needed(save),
        init=init,
        compute_in=compute_in,
        input_id=input_id,
        keywords=dict(keywords),
        loop=asyncio.get_running_loop(),
    )
    await job.start_async()
    try:
        await wait_async(job)
    finally:
        await job.finish_async()
    return job.summary()


def amap(
    source: str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any],
    *,
    fetch: Any = None,
    compute: Any = None,
    ordered: bool = True,
    errors: str = "raise",
    init: Callable[[], object] | None = None,
    compute_in: str = "auto",
    **keywords: Unpack[MapKeywords],
) -> AsyncResults[Any]:
    """As :func:`map`, on the running event loop, for ``async for``."""
    loop = asyncio.get_running_loop()
    return AsyncResults(_mapping(source, fetch, compute, ordered, errors, init, compute_in, dict(keywords), loop), errors)


def compare(
    source: str | os.PathLike[str] | Iterable[Any] = "0..120",
    *,
    compute: Any = "bcrypt:8",
    save: Any = "lab:?latency=100ms",
    fetch: Any = None,
    init: Callable[[], object] | None = None,
    **keywords: Any,
) -> Comparison:
    """Does the same job once with each strategy: one after the other, in batches, on one event loop, on all cores.

    The other keywords are the flags of ``inflight compare``. A service that is not ``lab:`` or ``null:`` gets everything several times,
    which ``repeat_saves=True`` allows.
    """
    return comparison_of(*_document("compare", source, fetch, compute, save, init, keywords))


def plan(
    source: str | os.PathLike[str] | Iterable[Any],
    *,
    save: Any,
    compute: Any = None,
    fetch: Any = None,
    init: Callable[[], object] | None = None,
    **keywords: Any,
) -> Plan:
    """Says how long a job will take, from a small sample. The other keywords are the flags of ``inflight plan``."""
    return plan_of(*_document("plan", source, fetch, compute, _needed(save), init, keywords))


def _document(
    command: str,
    source: Any,
    fetch: Any,
    compute: Any,
    save: Any,
    init: Callable[[], object] | None,
    keywords: dict[str, Any],
) -> tuple[dict[str, Any], str]:
    job = Job(
        source,
        fetch=fetch,
        compute=compute,
        save=save,
        init=init,
        compute_in="auto",
        input_id=None,
        keywords=keywords,
        command=command,
    )
    job.start()
    try:
        job.wait()
    finally:
        job.finish()
    return job.document()


def _needed(save: Any) -> Any:
    if save is None:
        raise UsageError("save is missing: an address, a function, or 'null:'", 2)
    return save


def _mapping(
    source: Any,
    fetch: Any,
    compute: Any,
    ordered: bool,
    errors: str,
    init: Callable[[], object] | None,
    compute_in: str,
    keywords: dict[str, Any],
    loop: asyncio.AbstractEventLoop | None,
) -> Job:
    if errors not in ("raise", "skip", "return"):
        raise UsageError(f"errors: {errors!r}; valid: 'raise', 'skip', 'return'", 2)
    if ordered:
        keywords["keep_order"] = True
    # Whoever takes results sees what fails, and decides.
    keywords.setdefault("halt", "never")
    return Job(
        source,
        fetch=fetch,
        compute=compute,
        save=None,
        init=init,
        compute_in=compute_in,
        input_id=None,
        keywords=keywords,
        ordered=ordered,
        loop=loop,
    )
