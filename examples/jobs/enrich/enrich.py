"""Adds a domain and initials to a person. The protocol is that of docs/workers.md, with items as JSON values."""

import json
import sys


def enrich(person):
    _, at, domain = person["mail"].partition("@")
    if not at:
        raise ValueError(f"no address: {person['mail']}")
    initials = "".join(word[0] for word in person["name"].split())
    return {**person, "domain": domain, "initials": initials}


def answer(job):
    try:
        return {"id": job["id"], "result": enrich(job["item"])}
    except (KeyError, ValueError) as error:
        return {"id": job["id"], "error": f"{type(error).__name__}: {error}"}


print(json.dumps({"version": 1, "batch": 256, "items": "json"}), flush=True)
for line in sys.stdin:
    print(json.dumps([answer(job) for job in json.loads(line)]), flush=True)
