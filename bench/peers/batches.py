"""Hash a hundred items, save them together, wait for all answers, next hundred. Arguments: URL ITEMS."""

import asyncio
import sys

import aiohttp

from work import Stopwatch

BATCH = 100


async def save(session, url, body):
    async with session.post(url, data=body) as answer:
        await answer.read()


async def main(url, items):
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        watch = Stopwatch()
        for start in range(0, items, BATCH):
            batch = range(start, min(start + BATCH, items))
            hashes = [watch.hash_item(item) for item in batch]
            await asyncio.gather(*(save(session, url, body) for body in hashes))
        watch.tell(items)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
