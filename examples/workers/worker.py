"""A worker for inflight: counts the words of each item. Replace work() with your own."""

import json
import sys


def work(item):
    return {"text": item, "words": len(item.split())}


def answer(job):
    try:
        return {"id": job["id"], "result": work(job["item"])}
    except Exception as error:  # this item becomes a dead letter; the next one is another matter
        return {"id": job["id"], "error": f"{type(error).__name__}: {error}"}


print(json.dumps({"version": 1, "batch": 256}), flush=True)
for line in sys.stdin:
    print(json.dumps([answer(job) for job in json.loads(line)]), flush=True)
