"""Hash one item, save it, wait for the answer, next. Arguments: URL ITEMS."""

import asyncio
import sys

import aiohttp

from work import Stopwatch


async def main(url, items):
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        watch = Stopwatch()
        for item in range(items):
            async with session.post(url, data=watch.hash_item(item)) as answer:
                await answer.read()
        watch.tell(items)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
