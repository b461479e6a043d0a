"""SHA-256 of each item, copied into a table of Postgres. Arguments: URL ITEMS."""

import asyncio
import hashlib
import json
import sys
import time

import asyncpg


def rows(items):
    for item in range(items):
        yield item, hashlib.sha256(str(item).encode()).hexdigest()


async def main(url, items):
    connection = await asyncpg.connect(url)
    start = time.perf_counter()
    await connection.copy_records_to_table("t", records=rows(items), columns=["index", "result"])
    elapsed_s = time.perf_counter() - start
    await connection.close()
    print(json.dumps({"items": items, "elapsed_s": elapsed_s}))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
