"""What comes back of ``map`` and ``amap``."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, Generic, TypeVar

from ._job import LOOK_EVERY, Job
from ._summary import Summary, item_error

T = TypeVar("T")


class Results(Iterator[T], Generic[T]):
    """Results as they are ready, in the order of the items unless ``ordered=False``.

    Taking them keeps the job going: it waits when nobody takes any. Leaving the loop early drains it.
    """

    def __init__(self, job: Job, errors: str) -> None:
        self._job = job
        self._summary: Summary | None = None
        self._generator = self._take(errors)
        job.start()
        self._is_open = True

    def __iter__(self) -> Iterator[T]:
        return self._generator

    def __next__(self) -> T:
        return next(self._generator)

    def _take(self, errors: str) -> Generator[T, None, None]:
        job, take, decode = self._job, self._job.results.take, self._job.decode  # type: ignore[union-attr]
        try:
            while (found := take(LOOK_EVERY)) is not None:
                for index, kind, value in found:
                    if kind is not None:
                        yield decode(kind, value)
                    elif errors == "raise":
                        raise item_error(value)
                    elif errors == "return":
                        yield item_error(value)  # type: ignore[misc]
            self._end()
        except KeyboardInterrupt:
            job.interrupted = True
            raise
        finally:
            self.close()

    def _end(self) -> None:
        job = self._job
        job.wait()
        if self._is_open:
            self._is_open = False
            job.finish()
        self._summary = job.summary()

    def close(self) -> None:
        """Ends the job early: what is in flight is answered, nothing new begins."""
        if self._is_open:
            self._is_open = False
            self._job.stop()
            self._job.wait()
            self._job.finish()

    def __del__(self) -> None:
        if getattr(self, "_is_open", False):
            self.close()

    @property
    def summary(self) -> Summary | None:
        """What the job came to, once all results were taken."""
        return self._summary

    def to_list(self) -> list[T]:
        """All results."""
        return list(self._generator)

    def to_pandas(self) -> Any:
        """All results as a pandas DataFrame; each is a row: a dict, or a value."""
        import pandas

        return pandas.DataFrame(self.to_list())

    def to_polars(self) -> Any:
        """All results as a polars DataFrame; each is a row: a dict, or a value."""
        import polars

        results = self.to_list()
        if results and not isinstance(results[0], dict):
            return polars.DataFrame({"result": results})
        return polars.DataFrame(results)


class AsyncResults(AsyncIterator[T], Generic[T]):
    """As :class:`Results`, for ``async for``."""

    def __init__(self, job: Job, errors: str) -> None:
        self._job = job
        self._summary: Summary | None = None
        self._is_open = True
        self._generator: AsyncGenerator[T, None] = self._take(errors)

    def __aiter__(self) -> AsyncIterator[T]:
        return self._generator

    async def __anext__(self) -> T:
        return await self._generator.__anext__()

    async def _take(self, errors: str) -> AsyncGenerator[T, None]:
        job, take, decode = self._job, self._job.results.take, self._job.decode  # type: ignore[union-attr]
        loop = asyncio.get_running_loop()
        await job.start_async()
        executor = concurrent.futures.ThreadPoolExecutor(1, "inflight-results")
        try:
            while (found := await loop.run_in_executor(executor, take, 1000)) is not None:
                for index, kind, value in found:
                    if kind is not None:
                        yield decode(kind, value)
                    elif errors == "raise":
                        raise item_error(value)
                    elif errors == "return":
                        yield item_error(value)  # type: ignore[misc]
            await wait_async(job)
            self._is_open = False
            await job.finish_async()
            self._summary = job.summary()
        finally:
            if self._is_open:
                self._is_open = False
                job.stop()
                await wait_async(job)
                await job.finish_async()
            executor.shutdown(wait=False)

    async def aclose(self) -> None:
        """Ends the job early: what is in flight is answered, nothing new begins."""
        await self._generator.aclose()

    @property
    def summary(self) -> Summary | None:
        """What the job came to, once all results were taken."""
        return self._summary

    async def to_list(self) -> list[T]:
        """All results."""
        return [result async for result in self._generator]


async def wait_async(job: Job) -> None:
    """Waits until the job is over; cancelled, drains it first, and once more ends it."""
    loop = asyncio.get_running_loop()
    executor = concurrent.futures.ThreadPoolExecutor(1, "inflight-wait")

    def over() -> None:
        while not job.run.wait(1000):
            pass

    ended = loop.run_in_executor(executor, over)
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError as error:
            cancelled = error
            job.stop()
    executor.shutdown(wait=False)
    if cancelled is not None:
        raise cancelled
