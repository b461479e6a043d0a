"""A lab for every test that wants one: the model service, from the wheel's own command."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

COMMAND = pathlib.Path(sys.executable).with_name("inflight")


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs keep for the next goes where the test ends."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


class Lab:
    """A service that behaves as told."""

    def __init__(self, flags: list[str]) -> None:
        command = [str(COMMAND), "lab", "--listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = ""
        while not (found := re.search(r"http://[\d.]+:\d+", said)):
            line = self.process.stdout.readline()
            assert line, f"the lab ended: {said}"
            said += line
        self.url = found.group()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def results(self) -> list[Any]:
        """What was stored, in the order in which it came."""
        with urllib.request.urlopen(self.url + "/results") as answer:
            return [json.loads(line) for line in answer.read().decode().splitlines() if line]


@pytest.fixture
def lab() -> Iterator[Callable[..., Lab]]:
    """Starts labs: ``lab("--latency", "50ms")``."""
    labs: list[Lab] = []

    def start(*flags: str) -> Lab:
        labs.append(Lab(list(flags)))
        return labs[-1]

    yield start
    for one in labs:
        one.process.kill()
        one.process.wait()


class Postgres:
    """A Postgres server of the tests' own, as the tests of the command line have it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        assert programs, "no Postgres: apt-get install postgresql"
        self.programs = programs[-1]
        owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.owner: dict[str, Any] = {}
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self.owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = f"-p {self.port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.programs / program), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self.owner)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def query(self, sql: str) -> str:
        """What a statement gives."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-At"]
        return self._run("psql", *where, "-c", sql).strip()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server that all tests share."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="inflight-postgres-"))
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
