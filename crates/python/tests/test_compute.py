"""Computing with Python in worker processes: what travels, what breaks, and what that costs."""

from __future__ import annotations

import ctypes
import enum
import os
import subprocess
import sys
import threading
import time

import inflight
import pytest


def test_functions_of_every_kind_are_sent_to_workers():
    offset = 10

    def closure(n):
        return n + offset

    class Local:
        def __call__(self, n):
            return n * 2

    assert inflight.map(range(4), compute=closure).to_list() == [10, 11, 12, 13]
    assert inflight.map(range(4), compute=lambda n: -n).to_list() == [0, -1, -2, -3]
    assert inflight.map(range(4), compute=Local).to_list() == [0, 2, 4, 6]
    assert inflight.map(range(4), compute=Local()).to_list() == [0, 2, 4, 6]
    assert inflight.map(range(3), compute=str).to_list() == ["0", "1", "2"]
    assert inflight.map(["a"], compute=str.upper).to_list() == ["A"]


MAIN = """
import enum, inflight
class Color(enum.Enum):
    RED = 1
class Point:
    def __init__(self, x): self.x = x
    class Inner: pass
def paint(p): return [p, Color.RED, Point.Inner()]
[[p, color, inner]] = inflight.map([Point(3)], compute=paint).to_list()
assert type(p) is Point and p.x == 3, p
assert color is Color.RED
assert type(inner) is Point.Inner
print('themselves')
"""


def test_what_main_defines_comes_back_as_itself(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(MAIN)
    for command in ([sys.executable, "-c", MAIN], [sys.executable, str(script)]):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ran.stdout == "themselves\n", ran.stderr


def test_a_class_is_made_once_in_each_process():
    class Model:
        def __init__(self):
            self.made = (os.getpid(), time.time_ns())

        def __call__(self, _):
            return self.made

    made = inflight.map(range(200), compute=Model, jobs=2).to_list()
    assert 1 <= len(set(made)) <= 2
    assert os.getpid() not in {pid for pid, _ in made}


def test_init_prepares_each_process():
    def init():
        os.environ["PREPARED"] = "yes"

    assert set(inflight.map(range(9), compute=lambda _: os.environ["PREPARED"], init=init)) == {"yes"}


def test_an_item_that_ends_its_process_is_a_dead_letter_and_the_others_are_done():
    def crash(how):
        def compute(n):
            if n == 7:
                how()
            return n

        return compute

    def segfault():
        ctypes.string_at(0)

    def memory():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        os.kill(os.getpid(), 9)

    for how in (lambda: os._exit(3), segfault, memory):
        summary = inflight.run(range(20), compute=crash(how), save="null:")
        assert (summary.saved, summary.dead, summary.left) == (19, 1, 0)
        assert summary.dead_letters()[0].index == 7


def test_leaving_by_exit_is_an_error_of_the_item():
    def leave(n):
        raise SystemExit(n)

    summary = inflight.run(range(3), compute=leave, save="null:")
    assert summary.dead == 3


def test_printing_harms_nothing_and_is_seen(capfd):
    def loud(n):
        print("computing", n)
        os.write(1, b"raw\n")
        return n

    assert inflight.map(range(3), compute=loud).to_list() == [0, 1, 2]
    said = capfd.readouterr().err
    assert "computing 2" in said and "raw" in said


def test_a_function_that_cannot_be_sent_is_refused_by_name():
    lock = threading.Lock()

    def locked(n):
        with lock:
            return n

    with pytest.raises(inflight.UsageError, match=r"locked cannot be sent .*lock.*threads"):
        inflight.run(range(3), compute=locked, save="null:")
    assert inflight.map(range(3), compute=locked, compute_in="threads").to_list() == [0, 1, 2]


def test_a_result_that_cannot_travel_is_a_dead_letter():
    def odd(n):
        return threading.Lock() if n == 1 else n

    results = inflight.map(range(3), compute=odd, errors="return").to_list()
    assert results[0] == 0 and results[2] == 2
    assert "pickle" in str(results[1])


def test_a_module_that_takes_long_to_import_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "slow_model.py").write_text("import time\ntime.sleep(2)\ndef f(n): return n + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_model

    assert inflight.map(range(3), compute=slow_model.f).to_list() == [1, 2, 3]


def test_a_worker_that_cannot_be_set_up_is_refused_with_its_traceback():
    class Broken:
        def __init__(self):
            raise OSError("no such model")

        def __call__(self, n):
            return n

    with pytest.raises(inflight.UsageError, match="no such model"):
        inflight.run(range(3), compute=Broken, save="null:")


def test_a_mistake_of_the_program_ends_the_run_with_its_traceback():
    def wrong(n):
        return n.upper()

    with pytest.raises(inflight.RunError) as ended:
        inflight.run(range(100_000), compute=wrong, save="null:")
    assert "AttributeError" in str(ended.value) and "Traceback" in str(ended.value)
    assert ended.value.summary.left > 90_000


def test_retry_is_tried_again_and_permanent_is_not(tmp_path):
    def flaky(n):
        mark = tmp_path / str(n)
        if not mark.exists():
            mark.touch()
            raise inflight.Retry("once more", after=0.01)
        return n

    def never(n):
        (tmp_path / f"n{n}").open("a").write("x")
        raise inflight.Permanent("negative")

    summary = inflight.run(range(5), compute=flaky, save="null:")
    assert (summary.saved, summary.dead) == (5, 0)
    summary = inflight.run(range(2), compute=never, save="null:")
    assert summary.dead == 2
    assert (tmp_path / "n0").read_text() == "x"
    assert isinstance(summary.dead_letters()[0].__cause__, inflight.Permanent)


def test_large_values_travel():
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.full((1024, 128), n) for n in range(20)]
    sums = inflight.map(arrays, compute=lambda a: (int(a.sum()), a)).to_list()
    assert [total for total, _ in sums] == [n * 1024 * 128 for n in range(20)]
    assert (sums[3][1] == 3).all()


class Kind(enum.Enum):
    A = 1


def test_what_a_module_defines_comes_back_as_itself():
    assert inflight.map([Kind.A], compute=lambda kind: kind).to_list()[0] is Kind.A


def test_threads_compute_in_this_process():
    seen = inflight.map(range(50), compute=lambda n: os.getpid(), compute_in="threads", jobs=2).to_list()
    assert set(seen) == {os.getpid()}


def test_a_class_and_init_belong_to_each_thread():
    class Own:
        def __init__(self):
            self.thread = threading.get_ident()

        def __call__(self, _):
            return self.thread == threading.get_ident()

    assert all(inflight.map(range(50), compute=Own, compute_in="threads", jobs=3))
