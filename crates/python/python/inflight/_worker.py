"""A worker process: computes what it is given, in frames over its standard streams (docs/workers.md, version 2).

Run as ``python -m inflight._worker PARENT``. Nobody types it.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import sys
from typing import Any, BinaryIO

SETUP, ITEM, BYTES, JSON, PICKLE, ERROR, ROW = 0, 1, 2, 3, 4, 5, 6

_HEAD = struct.Struct("<QBI")
_LENGTH = struct.Struct("<I")

#: A longer answer goes out before the rest of its frame is computed.
_FRAME_BYTES = 1 << 20


def main() -> None:
    """Works until there is nothing more to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever is printed goes where errors go: standard output is not ours.
    os.dup2(2, 1)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    given = sys.stdin.buffer
    if len(sys.argv) > 1:
        from inflight._inflight import follow

        if not follow(int(sys.argv[1])):
            return
    _write(out, b'{"version":2,"batch":256}\n')
    setup = _read(given)
    if setup is None:
        return
    try:
        worker = Worker(next(iter(_records(setup)))[2])
    except BaseException as error:  # noqa: BLE001
        _write(out, _frame([(0, ERROR, _error(error))]))
        return
    _write(out, _frame([(0, SETUP, b"")]))
    while (frame := _read(given)) is not None:
        worker.answer(frame, out)


class Worker:
    """Computes items with what it was set up with."""

    def __init__(self, setup: memoryview) -> None:
        path, folder, items, gives, code = pickle.loads(setup)
        sys.path[:] = path
        try:
            os.chdir(folder)
        except OSError:
            pass
        from inflight import _pickling

        self.pickling = _pickling
        make, compute = pickle.loads(code)
        if make is not None:
            make()
        if _pickling.is_maker(compute):
            compute = compute()
        self.compute = compute
        self.items = items
        self.gives = gives
        from inflight._errors import Mistakes

        self.mistakes = Mistakes()

    def answer(self, frame: memoryview, out: BinaryIO) -> None:
        """Answers what was asked, in as many frames as pay."""
        answers: list[tuple[int, int, bytes]] = []
        size = 0
        compute, loads, dumps = self.compute, pickle.loads, pickle.dumps
        gives_pickle = self.gives == "object"
        mistakes = self.mistakes
        for index, kind, data in _records(frame):
            try:
                value = loads(data) if kind == PICKLE else self.value(kind, data)
                result = compute(value)
                if gives_pickle:
                    try:
                        answer = (index, PICKLE, dumps(result, 5))
                    except Exception:
                        answer = (index, PICKLE, self.pickling.dumps_back(result))
                else:
                    what, text = self.pickling.as_text(result)
                    answer = (index, BYTES if what == self.pickling.TEXT else JSON, text)
                mistakes.count = 20
            except (Exception, SystemExit) as error:
                answer = (index, ERROR, _error(error, mistakes))
            answers.append(answer)
            size += len(answer[2])
            if size > _FRAME_BYTES:
                _write(out, _frame(answers))
                answers, size = [], 0
        if answers:
            _write(out, _frame(answers))

    def value(self, kind: int, data: memoryview) -> Any:
        """An item that came from Rust."""
        if kind == ROW:
            return json.loads(bytes(data))
        if self.items == "int":
            return int(bytes(data))
        if self.items == "text":
            return str(data, "utf-8")
        return bytes(data)


def _error(error: BaseException, mistakes: Any = None) -> bytes:
    from inflight import _errors, _pickling

    if error.__traceback__ is not None:
        # The first frame is ours.
        error.__traceback__ = error.__traceback__.tb_next
    told = _errors.told(error, computes=True)
    words: dict[str, Any] = {
        "error": told.message,
        "type": told.name,
        "traceback": told.traceback,
        "retry": told.verdict == "transient",
    }
    if told.after is not None:
        words["after"] = told.after
    if mistakes is not None and mistakes.are_all(error):
        words["stop"] = True
    try:
        words["object"] = _pickling.dumps_back(error).hex()
    except Exception:
        pass
    return json.dumps(words).encode()


def _read(given: BinaryIO) -> memoryview | None:
    head = given.read(4)
    if len(head) < 4:
        return None
    (length,) = _LENGTH.unpack(head)
    frame = given.read(length)
    return memoryview(frame) if len(frame) == length else None


def _records(frame: memoryview) -> Any:
    at, end, head = 0, len(frame), _HEAD
    while at < end:
        index, kind, length = head.unpack_from(frame, at)
        at += 13
        yield index, kind, frame[at : at + length]
        at += length


def _frame(records: list[tuple[int, int, bytes]]) -> bytes:
    parts = [b""]
    pack = _HEAD.pack
    for index, kind, data in records:
        parts.append(pack(index, kind, len(data)))
        parts.append(data)
    parts[0] = _LENGTH.pack(sum(map(len, parts)))
    return b"".join(parts)


def _write(out: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


if __name__ == "__main__":
    main()
