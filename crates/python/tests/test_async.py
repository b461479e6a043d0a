"""Jobs on the caller's event loop."""

from __future__ import annotations

import asyncio

import inflight
import pytest


def test_arun_and_amap_use_the_running_loop():
    async def main():
        loop = asyncio.get_running_loop()
        seen = []

        async def save(item):
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0.001)
            seen.append(item)

        async def fetch(item):
            assert asyncio.get_running_loop() is loop
            return item + 1

        summary = await inflight.arun(range(100), save=save)
        assert summary.saved == 100 and sorted(seen) == list(range(100))
        pages = [page async for page in inflight.amap(range(50), fetch=lambda item: fetch(item))]
        assert pages == list(range(1, 51))
        assert await inflight.amap(range(5), fetch=fetch, compute=str).to_list() == ["1", "2", "3", "4", "5"]

    asyncio.run(main())


def test_the_loop_stays_free_while_a_job_runs():
    async def main():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())

        async def save(item):
            await asyncio.sleep(0.05)

        await inflight.arun(range(50), save=save, in_flight=5)
        beating.cancel()
        assert beats > 20

    asyncio.run(main())


def test_a_cancelled_run_drains_first():
    async def main():
        began, ended = [], []

        async def save(item):
            began.append(item)
            await asyncio.sleep(0.2)
            ended.append(item)

        running = asyncio.create_task(inflight.arun(range(10_000), save=save, in_flight=10))
        while not began:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert began == ended and len(began) < 100

    asyncio.run(main())


def test_leaving_an_async_loop_early_drains():
    async def main():
        ended = 0

        async def fetch(item):
            nonlocal ended
            await asyncio.sleep(0.01)
            ended += 1
            return item

        results = inflight.amap(iter(int, 1), fetch=fetch, ordered=False)
        async for _ in results:
            break
        await results.aclose()
        after = ended
        await asyncio.sleep(0.1)
        assert ended == after

    asyncio.run(main())


def test_async_generators_are_sources():
    async def items():
        for n in range(1000):
            if n % 100 == 0:
                await asyncio.sleep(0.001)
            yield n

    assert inflight.map(items(), compute=int).to_list() == list(range(1000))

    async def main():
        return [n async for n in inflight.amap(items(), compute=int)]

    assert asyncio.run(main()) == list(range(1000))


def test_an_item_that_fails_raises_in_its_place():
    async def main():
        async def fetch(n):
            if n == 3:
                raise inflight.Permanent("three")
            return n

        seen = []
        with pytest.raises(inflight.ItemError, match="three"):
            async for n in inflight.amap(range(10), fetch=fetch):
                seen.append(n)
        assert seen == [0, 1, 2]

    asyncio.run(main())


def test_another_event_loop_does_as_well():
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async def fetch(n):
            await asyncio.sleep(0.001)
            return n

        return [n async for n in inflight.amap(range(100), fetch=fetch)]

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(main()) == list(range(100))
    finally:
        loop.close()
