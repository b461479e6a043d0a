"""SHA-256 of each item, saved by as many workers as there are connections. Arguments: URL ITEMS CONNECTIONS."""

import asyncio
import hashlib
import json
import sys
import time

import aiohttp


async def worker(session, url, items):
    for item in items:
        body = hashlib.sha256(str(item).encode()).hexdigest().encode()
        async with session.post(url, data=body) as answer:
            await answer.read()


async def main(url, items, connections):
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
        start = time.perf_counter()
        work = iter(range(items))
        await asyncio.gather(*(worker(session, url, work) for _ in range(connections)))
        elapsed_s = time.perf_counter() - start
    print(json.dumps({"items": items, "elapsed_s": elapsed_s}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
