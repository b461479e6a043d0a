"""A process for each core hashes, the loop saves what comes from them. Arguments: URL ITEMS."""

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor

import aiohttp

from work import Stopwatch, hash_item


async def save(session, url, pool, item):
    body = await asyncio.get_running_loop().run_in_executor(pool, hash_item, item)
    async with session.post(url, data=body) as answer:
        await answer.read()


async def main(url, items):
    with ProcessPoolExecutor() as pool:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            watch = Stopwatch()
            await asyncio.gather(*(save(session, url, pool, item) for item in range(items)))
            watch.tell(items)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
