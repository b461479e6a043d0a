"""The same jobs by inflight from Python, and by what Python programs do them with today. Arguments: JOB CONTENDER ITEMS [URL]."""

import asyncio
import contextlib
import hashlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from work import Stopwatch, hash_item

#: As many requests at once as the peers of the other benches have.
CONNECTIONS = 100
TINY_CONNECTIONS = 64


def nothing(item):
    return item


def sha256(item):
    return hashlib.sha256(str(item).encode()).hexdigest()


def total(array):
    return array + 1


# -- nothing: what a job costs by itself ------------------------------------------------------------------------------------


def nothing_inflight(items):
    import inflight

    return sum(1 for _ in inflight.map(range(items), compute=nothing))


def nothing_pool(items):
    with ProcessPoolExecutor() as pool:
        return sum(1 for _ in pool.map(nothing, range(items)))


def nothing_chunks(items):
    with ProcessPoolExecutor() as pool:
        return sum(1 for _ in pool.map(nothing, range(items), chunksize=64))


def nothing_joblib(items):
    import joblib

    return len(joblib.Parallel(n_jobs=-1)(joblib.delayed(nothing)(item) for item in range(items)))


# -- arrays of 1 MiB there and back -----------------------------------------------------------------------------------------


def _arrays(items):
    import numpy

    return (numpy.full(1 << 17, item, dtype="float64") for item in range(items))


def arrays_inflight(items):
    import inflight

    return sum(1 for array in inflight.map(_arrays(items), compute=total) if array.nbytes == 1 << 20)


def arrays_pool(items):
    with ProcessPoolExecutor() as pool:
        return sum(1 for array in pool.map(total, _arrays(items)) if array.nbytes == 1 << 20)


def arrays_joblib(items):
    import joblib

    done = joblib.Parallel(n_jobs=-1)(joblib.delayed(total)(array) for array in _arrays(items))
    return sum(1 for array in done if array.nbytes == 1 << 20)


# -- bcrypt 8, then a save that takes 100 ms --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def saver():
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:

        async def save(body):
            async with session.post(sys.argv[4], data=body) as answer:
                await answer.read()

        yield save


def hashes_string(items):
    import inflight

    return inflight.run(range(items), compute=hash_item, save=sys.argv[4], no_record=True, no_profile=True).saved


def hashes_saver(items):
    import inflight

    return inflight.run(range(items), compute=hash_item, save=saver, no_record=True, no_profile=True).saved


def hashes_pool(items):
    async def main():
        with ProcessPoolExecutor() as pool:
            async with saver() as save:
                loop = asyncio.get_running_loop()

                async def one(item):
                    await save(await loop.run_in_executor(pool, hash_item, item))

                await asyncio.gather(*(one(item) for item in range(items)))
        return items

    return asyncio.run(main())


def hashes_asyncio(items):
    async def main():
        async with saver() as save:
            gate = asyncio.Semaphore(CONNECTIONS)

            async def one(item):
                async with gate:
                    await save(hash_item(item))

            tasks = []
            for item in range(items):
                tasks.append(asyncio.ensure_future(one(item)))
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
        return items

    return asyncio.run(main())


# -- tiny requests ----------------------------------------------------------------------------------------------------------


def tiny_string(items):
    import inflight

    keywords = {"in_flight": TINY_CONNECTIONS, "no_record": True}
    return inflight.run(range(items), compute="sha256", save=sys.argv[4], **keywords).saved


def tiny_saver(items):
    import inflight

    keywords = {"in_flight": TINY_CONNECTIONS, "no_record": True}
    return inflight.run(range(items), compute="sha256", save=saver, **keywords).saved


def tiny_aiohttp(items):
    async def main():
        async with saver() as save:
            work = iter(range(items))

            async def worker():
                for item in work:
                    await save(sha256(item).encode())

            await asyncio.gather(*(worker() for _ in range(TINY_CONNECTIONS)))
        return items

    return asyncio.run(main())


# -- the first result -------------------------------------------------------------------------------------------------------


def first_inflight(items):
    import inflight

    return len(inflight.map(range(items), compute=nothing).to_list())


def first_pool(items):
    with ProcessPoolExecutor() as pool:
        return len(list(pool.map(nothing, range(items))))


def first_joblib(items):
    import joblib

    return len(joblib.Parallel(n_jobs=-1)(joblib.delayed(nothing)(item) for item in range(items)))


def main():
    job, contender, items = sys.argv[1], sys.argv[2], int(sys.argv[3])
    work = globals()[f"{job}_{contender}"]
    if contender == "joblib":
        import joblib  # noqa: F401
    elif contender != "pool":
        import inflight  # noqa: F401
    watch = Stopwatch()
    done = work(items)
    if done != items:
        sys.exit(f"{done} of {items} items were done")
    watch.tell(items)


if __name__ == "__main__":
    if sys.argv[1] == "import":
        start = time.perf_counter()
        import inflight  # noqa: F401

        print('{"items": 1, "elapsed_s": %f}' % (time.perf_counter() - start))
    else:
        main()
