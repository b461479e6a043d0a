"""Jobs whose parts are strings, and the keywords of a run: what the command line does, from Python."""

from __future__ import annotations

import datetime
import json
import pathlib

import inflight
import pytest


def test_a_job_of_strings_is_that_of_the_command_line(lab):
    service = lab("--latency", "5ms")
    summary = inflight.run("0..200", compute="sha256", save=service.url + "/add")
    assert (summary.items, summary.saved, summary.dead, summary.left) == (200, 200, 0, 0)
    assert len(set(service.results())) == 200
    assert summary.ending == "complete" and summary.details["version"] >= 1
    assert "saved 200 of 200 items" in str(summary)
    assert "<table>" in summary._repr_html_()


def test_a_file_a_path_and_a_job_file_are_sources(tmp_path: pathlib.Path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a\nb\n")
    out = tmp_path / "out.jsonl"
    assert inflight.run(lines, compute=str.upper, save=f"file:{out}").saved == 2
    assert [json.loads(line)["result"] for line in out.read_text().splitlines()] == ["A", "B"]
    job = tmp_path / "job.toml"
    job.write_text(f'input = "{lines}"\nsave = "null:"\n')
    assert inflight.run(job, save="null:").saved == 2


def test_items_of_python_reach_rust_as_what_they_are(tmp_path: pathlib.Path):
    out = tmp_path / "out.jsonl"
    items = ["text", b"bytes", 7, {"id": 1}, [1, None], 2.5]
    inflight.run(items, save=f"file:{out}", keep_order=True)
    found = [json.loads(line)["result"] for line in out.read_text().splitlines()]
    assert found[:3] == ["text", "bytes", "7"]
    assert [json.loads(one) if isinstance(one, str) else one for one in found[3:]] == [{"id": 1}, [1, None], 2.5]


def test_fields_of_items_can_be_named(tmp_path: pathlib.Path, lab):
    out = tmp_path / "out.csv"
    rows = [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]
    inflight.run(rows, compute=lambda row: row["name"].upper(), save=f"file:{out}", columns="id,name,upper=.", keep_order=True)
    assert out.read_text().splitlines() == ["id,name,upper", "1,ann,ANN", "2,bob,BOB"]


@pytest.mark.parametrize(
    ("keywords", "part"),
    [
        ({"in_fligth": 5}, "did you mean `in_flight`?"),
        ({"in_flight": "many"}, "in_flight: invalid value `many`"),
        ({"timeout": "soon"}, "timeout: invalid value `soon`"),
        ({"keep_order": 1}, "keep_order should be True or False"),
        ({"quiet": True, "verbose": True}, "cannot be used with"),
        ({"save": "nul:"}, "null:"),
        ({"save": 5}, "no function"),
        ({"save": None}, "save is missing"),
        ({"compute": 5}, "compute"),
        ({"compute_in": "clouds"}, "valid: 'auto'"),
        ({"init": print}, "init prepares"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(keywords, part):
    with pytest.raises(inflight.UsageError) as refused:
        inflight.run(range(3), **{"save": "null:", **keywords})
    assert part in str(refused.value)
    assert refused.value.code == 2
    assert isinstance(refused.value, ValueError)


def test_durations_are_seconds_text_or_timedelta():
    for timeout in (30, 1.5, "30s", datetime.timedelta(minutes=1)):
        assert inflight.run(range(3), save="null:", timeout=timeout).saved == 3


def test_a_source_that_gives_no_items_is_refused():
    for source in (5, b"abc", None):
        with pytest.raises(inflight.UsageError, match="gives no items"):
            inflight.run(source, save="null:")


def test_a_service_that_is_away_ends_the_run_and_says_so():
    with pytest.raises(inflight.RunError) as ended:
        inflight.run(range(5), save="http://127.0.0.1:9/add", max_outage="200ms")
    assert ended.value.code == 4
    assert (ended.value.summary.saved, ended.value.summary.left) == (0, 5)


def test_dead_letters_say_why(lab):
    service = lab("--fail", "0%")
    summary = inflight.run(["a", "b", "c"], compute=_not_b, save=service.url + "/add")
    assert (summary.saved, summary.dead) == (2, 1)
    [letter] = summary.dead_letters()
    assert (letter.index, letter.step, letter.verdict) == (1, "compute", "permanent")
    assert isinstance(letter.__cause__, ValueError)
    with pytest.raises(inflight.ItemError, match="no b, please"):
        summary.raise_for_dead()


def _not_b(item: str) -> str:
    if item == "b":
        raise ValueError("no b, please")
    return item


def test_nothing_is_printed_and_nothing_kept_unless_it_is_asked_for(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    inflight.run(range(10), save="null:", no_record=True)
    inflight.map(range(10), compute=str).to_list()
    assert capfd.readouterr() == ("", "")
    assert not list((tmp_path / "inflight").rglob("journal")) if (tmp_path / "inflight").exists() else True


def test_the_keywords_that_type_checkers_know_are_the_flags_of_the_command():
    import re
    import subprocess

    from conftest import COMMAND
    from inflight._keywords import Keywords

    said = subprocess.run([str(COMMAND), "run", "--help"], capture_output=True, text=True).stdout
    flags = {flag.replace("-", "_") for flag in re.findall(r"^\s+(?:-\w, )?--([a-z-]+)", said, re.M)}
    # What is no keyword, and what run has as parameters of its own.
    flags -= {"help", "version", "dry_run", "first", "compute", "save", "fetch"}
    assert set(Keywords.__annotations__) == flags, "a flag of run is named in _keywords.py as well"


def test_compare_does_the_job_four_ways():
    comparison = inflight.compare(range(20), compute=str, save="lab:?latency=5ms")
    assert [run.details["strategy"] for run in comparison.runs] == ["sequential", "batched", "async", "parallel"]
    assert all(run.saved == 20 for run in comparison.runs)
    assert "bottleneck" in str(comparison) and "<pre>" in comparison._repr_html_()
    with pytest.raises(inflight.UsageError, match="repeat"):
        inflight.compare(range(3), compute=str, save=lambda result: None)
    with pytest.raises(inflight.UsageError, match="only once"):
        inflight.compare(iter(range(3)), compute=str, save="null:")


def test_plan_says_how_long_a_job_will_take():
    plan = inflight.plan(range(2000), compute=str, save="lab:?latency=20ms&capacity=50")
    assert plan.quickest == "parallel" or plan.quickest in plan.predicted_s
    assert plan.predicted_s["sequential"] > plan.predicted_s["parallel"] > 0
    assert "sequential" in str(plan)
