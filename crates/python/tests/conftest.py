"""A lab for every test that wants one: the model service, from the wheel's own command."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
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


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a fresh interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
