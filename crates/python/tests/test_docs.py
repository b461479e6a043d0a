"""What the documents show runs: docstrings, and the table of exceptions beside the code."""

from __future__ import annotations

import doctest
import pathlib
import re

import inflight
from inflight import _errors

PAGE = pathlib.Path(__file__).parents[3] / "docs/python.md"


def test_docstrings():
    for module in (inflight, _errors):
        failed, tried = doctest.testmod(module)
        assert failed == 0
    assert tried > 0


def test_every_public_name_has_a_docstring():
    for name in inflight.__all__:
        if name != "__version__":
            assert getattr(inflight, name).__doc__, name


def test_the_page_names_what_there_is():
    text = PAGE.read_text()
    for name in set(re.findall(r"inflight\.([A-Za-z]\w*)\(", text)):
        assert name in inflight.__all__, name
    for keyword in ("in_flight", "retries", "keep_order", "journal", "compute_in", "input_id", "errors", "ordered", "init"):
        assert keyword in text, keyword
