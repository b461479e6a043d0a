"""Where items come from: an iterable is pulled on a thread of its own, and handed over a chunk at a time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any

from . import _pickling
from ._errors import UsageError
from ._inflight import Signal

#: Items that are pulled ahead of the engine, at most: what shares a turn of the interpreter.
AHEAD_MAX = 1024

#: The same of an async iterable, whose loop serves requests as well.
ASYNC_AHEAD_MAX = 256

#: The same in bytes.
AHEAD_BYTES_MAX = 8 << 20

#: Rows that are taken out of a DataFrame at once.
ROWS = 1024

_RANGE = re.compile(r"\s*\d+\.\.=?\d+\s*")


def is_range(text: str) -> bool:
    """Whether a string is a range of numbers."""
    return _RANGE.fullmatch(text) is not None


Encode = Callable[[Any], Any]


def encoder(wanted: str, *, is_known: bool) -> Encode:
    """How an item is handed over: to Rust as text, to a worker as a pickle, to code in this process as it is.

    ``is_known`` says whether a service gets to know items, by a key or by their fields.
    """

    def known(item: Any) -> tuple[bytes | None, bytes | None]:
        if not is_known:
            return None, None
        if isinstance(item, dict):
            row = _pickling.as_text(item)[1]
            return row, row
        return _pickling.key_of(item), None

    if wanted == "text":

        def text(item: Any) -> Any:
            kind, data = _pickling.as_text(item)
            return kind, data, None, None

        return text
    if wanted == "pickle":
        if not is_known:
            return _pickling.dumps

        def pickled(item: Any) -> Any:
            return (_pickling.PICKLE, _pickling.dumps(item), *known(item))

        return pickled

    def itself(item: Any) -> Any:
        return (_pickling.OBJECT, item, *known(item))

    return itself


class Feed:
    """Items that were pulled, until the engine takes them."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self.signal = Signal()
        self.items: list[Any] = []
        self.bytes = 0
        self.is_ended = False
        self.error: BaseException | None = None

    def put(self, item: Any) -> None:
        """Adds an item."""
        try:
            data = self.encode(item)
        except Exception as error:
            raise UsageError(f"item {item!r:.80} cannot be handed over: {error}", 2) from error
        if isinstance(data, bytes):
            self.bytes += len(data)
        elif isinstance(data[1], bytes):
            self.bytes += len(data[1])
        self.items.append(data)
        if len(self.items) == 1:
            self.signal.has_items()

    def is_full(self, most: int) -> bool:
        """Whether as much was pulled as may be."""
        return len(self.items) >= most or self.bytes >= AHEAD_BYTES_MAX

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        self.error = error
        self.is_ended = True
        self.signal.has_items()

    def take(self) -> tuple[list[Any], bool, BaseException | None]:
        """What is there, whether it was the last, and why no more comes."""
        # In this order: what is put after the first line is told by another signal.
        is_ended = self.is_ended
        items, self.items, self.bytes = self.items, [], 0
        return items, is_ended, self.error if is_ended else None

    def pull(self, items: Iterable[Any]) -> None:
        """Pulls all of them, as far as they are wanted."""
        signal, error = self.signal, None
        try:
            for item in items:
                self.put(item)
                if self.is_full(AHEAD_MAX) and not signal.wait_for_room():
                    break
                if signal.is_over():
                    break
        except BaseException as raised:  # noqa: BLE001
            error = raised
        finally:
            self.end(error)
            close = getattr(items, "close", None)
            if callable(close) and isinstance(items, Iterator):
                try:
                    close()
                except Exception:
                    pass

    async def pull_async(self, items: AsyncIterable[Any]) -> None:
        """The same on an event loop."""
        loop, error = asyncio.get_running_loop(), None
        try:
            async for item in items:
                self.put(item)
                if self.is_full(ASYNC_AHEAD_MAX):
                    if not await loop.run_in_executor(None, self.signal.wait_for_room):
                        break
                if self.signal.is_over():
                    break
        except BaseException as raised:  # noqa: BLE001
            error = raised
        finally:
            self.end(error)


class Source:
    """A source, as the engine asks for it."""

    def __init__(
        self,
        items: Any,
        encode: Encode,
        *,
        input_id: str | None,
        spawn: Callable[[Any], None],
    ) -> None:
        self.items = items
        self.encode = encode
        self.input_id = input_id
        #: Starts a coroutine on the loop of the job.
        self.spawn = spawn
        self.feed: Feed | None = None
        self.is_sequence = hasattr(items, "__len__") and hasattr(items, "__getitem__")
        kind = f"{type(items).__module__}.{type(items).__name__}"
        self.frame = kind.split(".")[0] if kind.endswith(".DataFrame") else ""

    def name(self) -> str:
        """What the input is called in messages."""
        return f"the items of {type(self.items).__name__}"

    def open(self) -> Feed:
        """Begins to pull."""
        if self.feed is not None and not self.is_sequence:
            raise UsageError("these items can be pulled only once; give a list", 2)
        feed = self.feed = Feed(self.encode)
        if isinstance(self.items, AsyncIterable):
            self.spawn(feed.pull_async(self.items))
        else:
            # A daemon: one that waits for an item for ever must not hold the interpreter at its end.
            threading.Thread(target=feed.pull, args=(self.rows(),), name="inflight-items", daemon=True).start()
        return feed

    def rows(self) -> Iterable[Any]:
        """The items; of a DataFrame, its rows as dicts."""
        if self.frame == "polars":
            rows: Iterable[Any] = self.items.iter_rows(named=True)
            return rows
        if self.frame == "pandas":
            frame = self.items
            starts = range(0, len(frame), ROWS)
            return (row for start in starts for row in frame.iloc[start : start + ROWS].to_dict("records"))
        items: Iterable[Any] = self.items
        return iter(items)

    def remaining(self) -> int | None:
        """How many items there are, where that is known."""
        return len(self.items) if hasattr(self.items, "__len__") else None

    def at(self, place: int) -> Any:
        """One item of a sequence."""
        if self.frame == "polars":
            return self.items.row(place, named=True)
        if self.frame == "pandas":
            return self.items.iloc[place].to_dict()
        return self.items[place]

    def fingerprint(self) -> str | None:
        """What the input is now, in one line; ``None`` where it can be pulled only once."""
        if self.input_id is not None:
            return f"id {self.input_id}"
        if not self.is_sequence:
            return None
        return self.print_of(len(self.items))

    def print_of(self, length: int) -> str:
        """The fingerprint of its first items, so many."""
        ends = [_hash(self.at(place)) for place in (0, length - 1)] if length else []
        return " ".join([f"{length} items", *ends])

    def continues(self, earlier: str) -> str | None:
        """What differs from what the input was; ``None`` if nothing does, or it has only grown."""
        if self.input_id is not None:
            return None if earlier == self.fingerprint() else f"it was {earlier}, and is id {self.input_id}"
        length = earlier.split(" ")[0]
        if self.is_sequence and length.isdigit() and int(length) <= len(self.items):
            if self.print_of(int(length)) == earlier:
                return None
        return f"it was {earlier}, and is {self.fingerprint() or 'one that can be pulled only once'}"


def _hash(item: Any) -> str:
    kind, data = _plain(item)
    return hashlib.blake2b(kind + data, digest_size=8).hexdigest()


def _plain(item: Any) -> tuple[bytes, bytes]:
    try:
        return b"t", _pickling.as_text(item)[1]
    except (TypeError, ValueError):
        return b"p", _pickling.dumps(item)


def path_of(source: Any) -> str | None:
    """The text that a source is, if it is one: Rust reads it."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    return None
