"""Hash an item, start its save, yield to the loop, next; wait for what is left. Arguments: URL ITEMS [--uvloop]."""

import asyncio
import sys

import aiohttp

from work import Stopwatch


async def save(session, url, body):
    async with session.post(url, data=body) as answer:
        await answer.read()


async def main(url, items):
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        watch = Stopwatch()
        async with asyncio.TaskGroup() as saves:
            for item in range(items):
                saves.create_task(save(session, url, watch.hash_item(item)))
                await asyncio.sleep(0)
        watch.tell(items)


if sys.argv[3:] == ["--uvloop"]:
    import uvloop

    run = uvloop.run
else:
    run = asyncio.run
run(main(sys.argv[1], int(sys.argv[2])))
