"""How values travel between this process and its workers.

Pickle does almost everything. What is defined in ``__main__`` (a script, a notebook, ``python -c``) has another ``__main__`` in a
worker, so it travels by value there, and comes back as what it was.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
from typing import Any

TEXT, JSON, PICKLE, OBJECT = 0, 1, 2, 3

_MAIN = b"__main__"


def dumps(value: Any) -> bytes:
    """A value as bytes for a worker."""
    try:
        data = pickle.dumps(value, 5)
    except Exception:
        import cloudpickle

        return bytes(cloudpickle.dumps(value, 5))
    if _MAIN in data:
        import cloudpickle

        return bytes(cloudpickle.dumps(value, 5))
    return data


def of_main(qualname: str) -> Any:
    """What ``__main__`` calls so; of a class within a class, a worker knows only the last name."""
    main: Any = sys.modules["__main__"]
    try:
        return functools.reduce(getattr, qualname.split("."), main)
    except AttributeError:
        for outer in vars(main).values():
            if isinstance(outer, type) and outer.__module__ == "__main__" and qualname in vars(outer):
                return vars(outer)[qualname]
        raise


class _Back(pickle.Pickler):
    """Names what came from the other ``__main__``, so that it is itself again there."""

    def reducer_override(self, value: Any) -> Any:
        module = getattr(value, "__module__", None)
        qualname = getattr(value, "__qualname__", None)
        is_named = isinstance(qualname, str) and "<" not in qualname
        if module == "__main__" and is_named and (isinstance(value, type) or callable(value)):
            return of_main, (qualname,)
        return NotImplemented


def dumps_back(value: Any) -> bytes:
    """A value as bytes for the process that a worker works for."""
    try:
        return pickle.dumps(value, 5)
    except Exception:
        pass
    buffer = io.BytesIO()
    try:
        _Back(buffer, 5).dump(value)
    except Exception:
        import cloudpickle

        return bytes(cloudpickle.dumps(value, 5))
    return buffer.getvalue()


def as_text(value: Any) -> tuple[int, bytes]:
    """A value as what Rust sends, saves or fetches with: text, bytes and numbers as they are, all else as JSON."""
    if isinstance(value, str):
        return TEXT, value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return TEXT, bytes(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return TEXT, str(int(value)).encode()
    return JSON, json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Numbers and dates of numpy, pandas and the standard library in JSON."""
    for name in ("isoformat", "item", "tolist", "__json__"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    raise TypeError(f"{type(value).__name__} has no JSON form; return text, bytes, or what json.dumps takes")


def key_of(value: Any) -> bytes | None:
    """By what an item is known to services: as the command line does it, where the value is one that it could have."""
    if isinstance(value, (str, bytes)):
        return value.encode() if isinstance(value, str) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    return None


def loads(data: bytes) -> Any:
    """What :func:`dumps` and :func:`dumps_back` made bytes of."""
    return pickle.loads(data)


def is_maker(compute: Any) -> bool:
    """Whether a class makes what computes, rather than computing itself as ``str`` does."""
    return isinstance(compute, type) and any("__call__" in vars(base) for base in compute.__mro__)
