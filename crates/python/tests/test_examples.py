"""The examples of docs/python.md, each from a script, from ``python -c``, from the kernel of a notebook, and from pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest

TWO_LINES = """
import hashlib, os, inflight

def do_task(n):
    return hashlib.pbkdf2_hmac("sha256", str(n).encode(), b"salt", 100).hex()

summary = inflight.run(range(600), compute=do_task, save=os.environ["LAB"] + "/add")
assert (summary.saved, summary.dead) == (600, 0), summary
"""

OWN_SAVER = """
import contextlib, os, aiohttp, inflight

def work(n):
    return str(n * n)

@contextlib.asynccontextmanager
async def saver():
    async with aiohttp.ClientSession() as session:
        async def save(result):
            async with session.post(os.environ["LAB"] + "/add", data=result) as answer:
                answer.raise_for_status()
        yield save

summary = inflight.run(range(300), compute=work, save=saver)
assert (summary.saved, summary.dead) == (300, 0), summary
"""

RESULTS_BACK = """
import json, os, inflight

def names():
    for n in range(50):
        yield f"name-{n}"

def parse(page):
    return {"name": json.loads(page)["item"]}

rows = list(inflight.map(names(), fetch=os.environ["LAB"] + "/items/{}", compute=parse))
assert rows == [{"name": f"name-{n}"} for n in range(50)], rows[:3]
frame = inflight.map(names(), fetch=os.environ["LAB"] + "/items/{}", compute=parse).to_polars()
assert frame["name"].to_list()[:2] == ["name-0", "name-1"]
"""

OWN_LOOP = """
import os, aiohttp, inflight

async def get(session, id):
    async with session.get(os.environ["LAB"] + f"/items/{id}") as answer:
        answer.raise_for_status()
        return await answer.json()

async def main():
    pages = []
    async with aiohttp.ClientSession() as session:
        async for page in inflight.amap(range(50), fetch=lambda id: get(session, id), ordered=False):
            pages.append(page["item"])
    assert sorted(map(int, pages)) == list(range(50)), pages

await main()
"""

BY_NIGHT = """
import os, tempfile, inflight

class Model:
    def __init__(self):
        self.weight = 3

    def __call__(self, row):
        if row["n"] < 0:
            raise inflight.Permanent("negative")
        return {"id": row["id"], "score": row["n"] * self.weight}

database = os.environ["DATABASE"]
with tempfile.TemporaryDirectory() as folder:
    summary = inflight.run(
        database + "?table=orders&key=id", compute=Model, jobs=2, save=database + "?table=" + os.environ["TABLE"],
        create=True, journal=folder + "/night.journal",
    )
assert (summary.saved, summary.dead) == (99, 1), summary
"""

EXAMPLES = {
    "two lines": TWO_LINES,
    "own saver": OWN_SAVER,
    "results back": RESULTS_BACK,
    "own loop": OWN_LOOP,
    "by night": BY_NIGHT,
}
tables = 0


@pytest.fixture
def place(lab, postgres, monkeypatch):
    """Where the examples fetch and save."""
    global tables
    tables += 1
    monkeypatch.setenv("LAB", lab("--latency", "2ms").url)
    monkeypatch.setenv("DATABASE", postgres.url)
    monkeypatch.setenv("TABLE", f"scores_{tables}")
    postgres.query("create table if not exists orders (id int primary key, n int)")
    postgres.query("insert into orders select g, g - 1 from generate_series(0, 99) g on conflict do nothing")


def as_script(code: str) -> str:
    """Outside of a notebook nothing is awaited at the top."""
    return code.replace("\nawait main()\n", "\nimport asyncio\nasyncio.run(main())\n")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("how", ["script", "-c", "pytest"])
def test_examples(name, how, place, tmp_path):
    code = as_script(EXAMPLES[name])
    if how == "pytest":
        module = type(sys)("example")
        sys.modules["example"] = module
        try:
            exec(compile(code, "example.py", "exec"), {**vars(module), "__name__": "__main__"})
        finally:
            del sys.modules["example"]
        return
    script = tmp_path / "example.py"
    script.write_text(code)
    command = [sys.executable, "-c", code] if how == "-c" else [sys.executable, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_examples_in_a_notebook(place, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell(code) for code in EXAMPLES.values()]
    cells.append(nbformat.v4.new_code_cell("inflight.run(range(10), compute=do_task, save='null:')"))
    slow = "import time\ninflight.run(range(40), compute=lambda n: time.sleep(0.1), save='null:').saved"
    cells.append(nbformat.v4.new_code_cell(slow))
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    shown = book.cells[-2].outputs[-1]["data"]
    assert "<table>" in shown["text/html"]
    outputs = [output.get("data", {}).get("text/html", "") for output in book.cells[-1].outputs]
    assert any("inflight: done, 40 saved" in output for output in outputs), outputs
