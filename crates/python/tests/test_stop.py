"""How runs end: by Ctrl-C, kills, forks and exits; and that the same call goes on."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import inflight
import pytest


class Script:
    """A script of Python's that runs beside the test."""

    def __init__(self, code: str, *, command: str | None = None) -> None:
        code = textwrap.dedent(code)
        self.process = subprocess.Popen(
            [sys.executable, "-u", *(["-c", code] if command is None else [command])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, seconds: float = 30) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(parts[1]) == pid and parts[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def until(holds, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


SLOW = """
    import asyncio, time, inflight
    ended = 0
    async def save(item):
        global ended
        if item == 0:
            print("began", flush=True)
        await asyncio.sleep(0.3)
        ended += 1
"""

INTERRUPTED = SLOW + """
    try:
        inflight.run(range(1_000_000), save=save, in_flight=10)
    except KeyboardInterrupt as interrupt:
        print("interrupted", interrupt.summary.saved == ended, interrupt.summary.left > 0, flush=True)
"""


@pytest.mark.parametrize("how", ["-c", "script"])
def test_ctrl_c_waits_for_what_is_in_flight(how, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(INTERRUPTED))
    job = Script(INTERRUPTED, command=None if how == "-c" else str(script))
    assert job.line() == "began"
    job.process.send_signal(signal.SIGINT)
    assert job.end()[1] == "interrupted True True\n"


def test_ctrl_c_under_asyncio_run():
    code = SLOW + """
    async def main():
        await inflight.arun(range(1_000_000), save=save, in_flight=10)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted", ended > 0, flush=True)
    """
    job = Script(code)
    assert job.line() == "began"
    job.process.send_signal(signal.SIGINT)
    # Before 3.11 asyncio.run cancels every task of the loop at once, the saves among them.
    drains = sys.version_info >= (3, 11)
    assert job.end()[1] == f"interrupted {drains}\n"


def test_a_second_ctrl_c_does_not_wait():
    code = """
    import asyncio, time, inflight
    async def save(item):
        print("began", flush=True)
        await asyncio.sleep(60)
    began = time.monotonic()
    try:
        inflight.run(range(10), save=save, in_flight=1, timeout=100)
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - began < 20, flush=True)
    """
    job = Script(code)
    assert job.line() == "began"
    job.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert job.process.poll() is None
    job.process.send_signal(signal.SIGINT)
    assert job.end()[1] == "interrupted True\n"


def test_ctrl_c_while_workers_compute():
    code = """
    import time, inflight
    def compute(n):
        time.sleep(0.05)
        return n
    def items():
        for n in range(1_000_000):
            if n == 20: print("began", flush=True)
            yield n
    try:
        for n in inflight.map(items(), compute=compute): pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    job = Script(code)
    assert job.line() == "began"
    time.sleep(0.3)
    workers = children(job.process.pid)
    job.process.send_signal(signal.SIGINT)
    assert job.end()[1] == "interrupted\n"
    assert workers and until(lambda: not any(map(is_running, workers)))


def test_no_worker_outlives_a_killed_program():
    code = """
    import time, inflight
    def compute(n):
        while True: pass
    print("began", flush=True)
    inflight.run(range(10), compute=compute, save="null:")
    """
    job = Script(code)
    assert job.line() == "began"
    assert until(lambda: len(children(job.process.pid)) >= 2)
    time.sleep(0.3)
    workers = children(job.process.pid)
    job.process.kill()
    job.process.wait()
    assert until(lambda: not any(map(is_running, workers)), 3.0)


def test_a_killed_worker_is_replaced():
    def compute(n):
        time.sleep(0.01)
        return os.getpid() if n % 2 else n

    seen = []
    results = inflight.map(range(400), compute=compute, jobs=2)
    for result in results:
        seen.append(result)
        if len(seen) == 50:
            for pid in children(os.getpid()):
                if pid in seen:
                    os.kill(pid, signal.SIGKILL)
    assert len(seen) == 400
    assert len({pid for pid in seen[1::2]}) > 2


def test_a_forked_process_is_told():
    inflight.run(range(3), save="null:")
    code = """
    import os, inflight
    inflight.run(range(3), save="null:")
    if os.fork() == 0:
        try:
            inflight.run(range(3), save="null:")
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
    print(inflight.run(range(3), save="null:").saved)
    """
    code_, out, err = Script(code).end()
    assert "forked" in out and out.endswith("3\n"), err


def test_a_program_that_ends_while_a_job_runs_does_not_hang():
    code = """
    import asyncio, sys, time, inflight
    async def fetch(n):
        await asyncio.sleep(0.1)
        return n
    results = inflight.map(iter(int, 1), fetch=fetch, ordered=False)
    print(next(results), flush=True)
    kept = [results]
    results = None
    sys.exit(0)
    """
    began = time.monotonic()
    code_, out, err = Script(code).end()
    assert (code_, out) == (0, "0\n"), err
    assert "Fatal" not in err and "panicked" not in err, err
    assert time.monotonic() - began < 10


def test_an_event_loop_that_is_closed_ends_the_run():
    code = """
    import asyncio, inflight
    async def fetch(n):
        await asyncio.sleep(0.01)
        return n
    async def main():
        results = inflight.amap(iter(int, 1), fetch=fetch, ordered=False)
        async for _ in results:
            return results
    asyncio.run(main())
    print("ended", flush=True)
    """
    code_, out, err = Script(code).end()
    assert (code_, out) == (0, "ended\n"), err


RESUMED = """
import os, sys, time, inflight
def compute(n):
    time.sleep(0.002)
    return {{"n": int(n), "square": int(n) ** 2}}
print("began", flush=True)
summary = inflight.run({source}, compute=compute, save="sqlite:{folder}/out.db?table=t", journal="{folder}/night.journal")
print(summary.saved, flush=True)
"""


@pytest.mark.parametrize("source", ['"0..2000"', "list(range(2000))", "range(2000)"])
def test_after_a_kill_the_same_call_does_the_rest_once(source, tmp_path):
    code = RESUMED.format(source=source, folder=tmp_path)
    for _ in range(2):
        job = Script(code)
        assert job.line() == "began"
        database = tmp_path / "out.db"
        before = rows(database)
        assert until(lambda: rows(database) > before + 50, 20)
        job.process.kill()
        job.process.wait()
    code_, out, err = Script(code).end(60)
    assert out == "began\n2000\n", err
    assert rows(tmp_path / "out.db") == 2000


def rows(database: pathlib.Path) -> int:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from t").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_after_a_kill_postgres_has_each_row_once(postgres, tmp_path):
    code = f"""
    import time, inflight
    def compute(n):
        time.sleep(0.001)
        return {{"n": n, "square": n * n}}
    print("began", flush=True)
    summary = inflight.run(
        range(3000), compute=compute, save="{postgres.url}?table=squares", create=True, journal="{tmp_path}/night.journal"
    )
    print(summary.saved, flush=True)
    """

    def rows():
        try:
            return int(postgres.query("select count(*) from squares"))
        except AssertionError:
            return 0

    for _ in range(3):
        job = Script(code)
        assert job.line() == "began"
        before = rows()
        assert until(lambda: rows() > before + 50, 20)
        job.process.kill()
        job.process.wait()
    code_, out, err = Script(code).end(60)
    assert out == "began\n3000\n", err
    assert postgres.query("select count(*), count(distinct result::json->>'n') from squares") == "3000|3000"


def test_a_journal_knows_its_job(tmp_path):
    out = f"file:{tmp_path}/out.jsonl"
    journal = tmp_path / "a.journal"
    assert inflight.run(["a", "b"], compute=str.upper, save=out, journal=journal).saved == 2
    assert inflight.run(["a", "b", "c"], compute=str.upper, save=out, journal=journal).saved == 3
    found = [json.loads(line)["result"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == ["A", "B", "C"]
    with pytest.raises(inflight.Error) as refused:
        inflight.run(["x", "b", "c"], compute=str.upper, save=out, journal=journal)
    assert refused.value.code == 6
    with pytest.raises(inflight.Error) as refused:
        inflight.run(["a", "b", "c"], compute=str.lower, save=out, journal=journal)
    assert refused.value.code == 6
    with pytest.raises(inflight.UsageError, match="journal"):
        inflight.run(iter("abc"), save=out, journal=journal)
    other = tmp_path / "b.journal"
    assert inflight.run(iter("abc"), save="null:", journal=other, input_id="letters").saved == 3


def test_rows_with_a_key_are_known_wherever_they_stand(tmp_path):
    saved = []
    keywords = {"save": saved.append, "key": "id", "journal": tmp_path / "a.journal"}

    def rows(ids):
        return ({"id": id, "n": id * 2} for id in ids)

    assert inflight.run(rows([1, 2, 3]), compute=lambda row: row["n"], **keywords).saved == 3
    assert sorted(saved) == [2, 4, 6]
    assert inflight.run(rows([4, 3, 2, 1]), compute=lambda row: row["n"], **keywords).saved == 4
    assert sorted(saved) == [2, 4, 6, 8]


def test_interrupting_a_notebook_drains():
    jupyter = pytest.importorskip("jupyter_client")
    manager, client = jupyter.manager.start_new_kernel(kernel_name="python3")

    def told(word):
        said = ""
        while word not in said:
            message = client.get_iopub_msg(timeout=30)
            said += message["content"].get("text", "") + str(message["content"].get("evalue", ""))
        return said

    try:
        client.execute(textwrap.dedent(INTERRUPTED))
        told("began")
        manager.interrupt_kernel()
        assert "interrupted True True" in told("interrupted")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
