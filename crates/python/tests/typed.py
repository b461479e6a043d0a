"""What type checkers must understand: checked by mypy, never run."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import inflight


def score(row: dict[str, int]) -> int:
    return row["n"]


async def save(result: int) -> None: ...


@contextlib.asynccontextmanager
async def saver() -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    async def one(result: bytes) -> None: ...

    yield one


summary: inflight.Summary = inflight.run([{"n": 1}], compute=score, save=save, in_flight=5, retries=2, timeout=1.5)
saved: int = summary.saved
inflight.run("0..600", compute="bcrypt:8", save=saver, journal="a.journal")
for result in inflight.map(range(3), compute=str, ordered=False, errors="skip"):
    print(result)


async def main() -> None:
    async for page in inflight.amap(range(3), fetch=save):
        print(page)
    print((await inflight.arun(range(3), save=save)).dead_letters())


try:
    inflight.run(range(3), save="null:")
except inflight.RunError as error:
    print(error.summary.left, error.code)
