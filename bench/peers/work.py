"""What all Python peers share: the work on one item, and the line that says what a run did."""

import json
import time

import bcrypt

COST = 8


def hash_item(item):
    """The item's number as text, hashed with a salt of its own."""
    return bcrypt.hashpw(str(item).encode(), bcrypt.gensalt(COST))


class Stopwatch:
    """Time from the start, and CPU time of the computations among it."""

    def __init__(self):
        self.start = time.perf_counter()
        self.compute_s = 0.0

    def hash_item(self, item):
        before = time.thread_time()
        hashed = hash_item(item)
        self.compute_s += time.thread_time() - before
        return hashed

    def tell(self, items):
        elapsed_s = time.perf_counter() - self.start
        print(json.dumps({"items": items, "elapsed_s": elapsed_s, "compute_s": self.compute_s}))
