"""What must work where the wheel is installed and nothing else is: no Rust, no other package. Run by `cargo xtask wheel`."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile

import inflight


def do_task(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


class Model:
    def __init__(self) -> None:
        self.offset = 10

    def __call__(self, row: dict[str, int]) -> dict[str, int]:
        if row["n"] < 0:
            raise inflight.Permanent("negative")
        return {"n": row["n"], "score": row["n"] + self.offset}


summary = inflight.run(range(600), compute=do_task, save="lab:?latency=10ms")
assert (summary.saved, summary.dead) == (600, 0), summary
print(summary)
assert list(inflight.map(iter(range(100)), compute=do_task)) == [do_task(n) for n in range(100)]
with tempfile.TemporaryDirectory() as folder:
    rows = os.path.join(folder, "rows.jsonl")
    with open(rows, "w") as file:
        file.writelines(f'{{"id": {n}, "n": {n - 1}}}\n' for n in range(100))
    out = os.path.join(folder, "out.db")
    journal = os.path.join(folder, "night.journal")
    summary = inflight.run(rows, compute=Model, jobs=4, save=f"sqlite:{out}?table=scores", journal=journal)
    assert (summary.saved, summary.dead) == (99, 1), summary
    with sqlite3.connect(out) as database:
        assert database.execute("select count(*) from scores").fetchone() == (99,)
command = os.path.join(os.path.dirname(sys.executable), "inflight")
version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
print(version.strip(), "is installed and works")
