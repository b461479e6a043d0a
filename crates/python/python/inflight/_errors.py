"""What goes wrong: exceptions that code of yours raises, and those that a run raises.

Which exception means what is decided here, in :func:`verdict`; the engine knows only verdicts.
"""

from __future__ import annotations

import asyncio
import email.utils
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._summary import Summary

__all__ = [
    "Error",
    "ItemError",
    "Overloaded",
    "Permanent",
    "Retry",
    "RunError",
    "UsageError",
]


class Permanent(Exception):
    """Raise it for an item that cannot succeed: the item becomes a dead letter at once.

    >>> raise Permanent("the name is empty")
    Traceback (most recent call last):
    inflight._errors.Permanent: the name is empty
    """


class Retry(Exception):
    """Raise it for an item that may succeed later. ``after`` is the least time to wait, in seconds."""

    def __init__(self, message: str = "not now", *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after

    def __reduce__(self) -> Any:
        return _again, (type(self), self.args, self.__dict__)


class Overloaded(Exception):
    """Raise it when a service asks for less: the number in flight goes down, and the item is tried again.

    With ``quota=True`` the service counts requests over time, so that only the pace goes down.
    """

    def __init__(
        self,
        message: str = "the service asks for less",
        *,
        after: float | None = None,
        quota: bool = False,
    ) -> None:
        super().__init__(message)
        self.after = after
        self.quota = quota

    def __reduce__(self) -> Any:
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class Error(Exception):
    """A job was not done. ``code`` is the exit code of the command ``inflight run``."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> Any:
        return _again, (type(self), self.args, self.__dict__)


class UsageError(Error, ValueError):
    """A keyword, an address or a function cannot be used. Nothing was sent."""


class RunError(Error):
    """A run ended before its input did. ``summary`` says how far it came."""

    def __init__(self, message: str, code: int, summary: Summary) -> None:
        super().__init__(message, code)
        self.summary = summary


class ItemError(Error):
    """One item was given up. ``__cause__`` is the exception, where there was one."""

    def __init__(self, message: str, *, index: int, step: str, attempts: int, verdict: str) -> None:
        super().__init__(message, 3)
        self.index = index
        self.step = step
        self.attempts = attempts
        self.verdict = verdict


class Wrong(NamedTuple):
    """An exception, as the engine is told of it."""

    verdict: str
    name: str
    message: str
    traceback: str
    error: BaseException
    after: float | None
    quota: bool


#: Mistakes of the program, not of an item.
PROGRAMMING = (TypeError, NameError, AttributeError, ImportError)

#: So many items in a row that fail by the same mistake of the program end the run.
SAME_MAX = 20

#: Modules whose exceptions of these names mean that no answer came in time.
_TIMEOUTS = {"TimeoutError", "ServerTimeoutError", "ReadTimeout", "WriteTimeout", "Timeout", "SocketTimeoutError"}
_NOT_CONNECTED = {
    "ClientConnectorError",
    "ClientConnectorDNSError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionTimeoutError",
    "PoolTimeout",
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
}


def chain(error: BaseException) -> list[BaseException]:
    """An exception and what led to it, bounded."""
    found: list[BaseException] = []
    next_error: BaseException | None = error
    while next_error is not None and next_error not in found and len(found) < 10:
        found.append(next_error)
        next_error = next_error.__cause__ or next_error.__context__
    return found


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status", "status_code", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600:
                return int(value)
    return None


def _retry_after(error: BaseException) -> float | None:
    for holder in (error, getattr(error, "response", None)):
        headers = getattr(holder, "headers", None)
        get = getattr(headers, "get", None)
        value = get("Retry-After") if callable(get) else None
        if not isinstance(value, str):
            continue
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            date = email.utils.parsedate_to_datetime(value)
        except ValueError:
            continue
        return max(0.0, date.timestamp() - time.time())
    return None


def _of_status(status: int) -> str:
    # As the HTTP connector of the engine has it: `inflight explain`.
    if status in (429, 503):
        return "overload"
    if status in (502, 504):
        return "in doubt"
    if status == 408 or status >= 500:
        return "transient"
    return "permanent"


def _is_unreached(error: BaseException) -> bool:
    return isinstance(error, (ConnectionRefusedError, socket.gaierror)) or type(error).__name__ in _NOT_CONNECTED


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, (TimeoutError, asyncio.TimeoutError)) or type(error).__name__ in _TIMEOUTS


def verdict(error: BaseException, *, computes: bool) -> tuple[str, float | None, bool]:
    """What an exception means: the verdict, how long to wait, and whether a quota is the reason."""
    if isinstance(error, Permanent):
        return "permanent", None, False
    if isinstance(error, Retry):
        return "transient", error.after, False
    if isinstance(error, Overloaded):
        return ("transient" if computes else "overload"), error.after, error.quota
    if computes:
        return "permanent", None, False
    status = _status(error)
    if status is not None:
        after = _retry_after(error)
        return _of_status(status), after, status == 429
    causes = chain(error)
    if any(_is_unreached(cause) for cause in causes):
        return "unreached", None, False
    # One that was cancelled may have been sent.
    if isinstance(error, asyncio.CancelledError) or any(_is_timeout(cause) for cause in causes):
        return "in doubt", None, False
    if isinstance(error, PROGRAMMING):
        return "permanent", None, False
    return "transient", None, False


def place(error: BaseException) -> str:
    """Where an exception was raised, in the user's code: ``score.py:12``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})"


def told(error: BaseException, *, computes: bool, own: BaseException | None = None) -> Wrong:
    """An exception as the engine is told of it."""
    what, after, quota = verdict(error, computes=computes)
    text = str(error) or "without a message"
    return Wrong(
        verdict=what,
        name=type(error).__name__,
        message=text + place(error),
        traceback="".join(traceback.format_exception(type(error), error, error.__traceback__)),
        error=error,
        after=after,
        quota=quota,
    )


class Mistakes:
    """Notices that every item so far failed by the same mistake of the program."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.first: str = ""
        self.count = 0

    def none(self) -> None:
        """An item did not fail so."""
        self.name = None
        self.count = SAME_MAX

    def are_all(self, error: BaseException) -> bool:
        """Whether this is the mistake that ends the run."""
        if self.count >= SAME_MAX:
            return False
        if not isinstance(error, PROGRAMMING) or self.name not in (None, type(error).__name__):
            self.none()
            return False
        self.name = type(error).__name__
        self.count += 1
        return self.count == SAME_MAX
