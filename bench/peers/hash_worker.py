"""A worker that hashes each item by bcrypt at cost 8. See docs/workers.md."""

import json
import sys

import bcrypt


def answer(job):
    return {"id": job["id"], "result": bcrypt.hashpw(job["item"].encode(), bcrypt.gensalt(8)).decode()}


print(json.dumps({"version": 1, "batch": 64}), flush=True)
for line in sys.stdin:
    print(json.dumps([answer(job) for job in json.loads(line)]), flush=True)
