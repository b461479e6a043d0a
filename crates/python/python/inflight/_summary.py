"""What a run came to."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from . import _pickling
from ._errors import ItemError


@dataclass(frozen=True)
class Summary:
    """What a run came to. ``saved + dead + left`` is ``items``.

    ``details`` has every field of ``inflight run --json``.
    """

    #: Items of the input.
    items: int
    #: Items that are saved, or came back.
    saved: int
    #: Items that were given up; ``dead_letters()`` says why.
    dead: int
    #: Items that a run which ended early did not do.
    left: int
    #: Attempts that may have taken effect though no answer came.
    in_doubt: int
    #: From start to end, in seconds.
    elapsed_s: float
    #: The time below which this machine and these services allow no run.
    bound_s: float
    #: What limited the run: ``cpu``, ``service``, ``source``, …
    bottleneck: str
    #: The same in a sentence, with what would help.
    sentence: str
    #: ``complete``, ``stopped``, ``halted``, ``unavailable``, ``unreadable``, ``storage`` or ``hung``.
    ending: str
    #: Every field of ``--json``.
    details: dict[str, Any] = field(repr=False)
    _text: str = field(repr=False, default="", compare=False)
    _letters: tuple[Any, ...] = field(repr=False, default=(), compare=False)

    def dead_letters(self) -> list[ItemError]:
        """The items that were given up, the first 10,000 of them, with the exceptions."""
        return [item_error(letter) for letter in self._letters]

    def raise_for_dead(self) -> None:
        """Raises the first dead letter, if there is one."""
        if self.dead:
            letters = self.dead_letters()
            raise letters[0] if letters else ItemError(
                f"{self.dead} items were given up by an earlier run", index=-1, step="", attempts=0, verdict="permanent"
            )

    def __str__(self) -> str:
        lines = [self._text.rstrip()]
        if self.dead:
            lines.append(f"{self.dead} given up; {self.dead_letters()[0] if self._letters else 'see the journal'}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            ("saved", f"{self.saved} of {self.items}"),
            ("dead", str(self.dead)),
            ("left", str(self.left)),
            ("time", f"{self.elapsed_s:.2f} s"),
            ("limited by", self.bottleneck),
        ]
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
        return f"<table>{cells}</table><p>{html.escape(self.sentence)}</p>"


def summary_of(details: dict[str, Any], text: str, letters: list[Any]) -> Summary:
    """Reads what the engine says."""
    ending = details["ending"]
    return Summary(
        items=details["items"],
        saved=details["saved"],
        dead=details["dead"],
        left=details["left"],
        in_doubt=details["in_doubt"],
        elapsed_s=details["elapsed_s"],
        bound_s=details["bound_s"],
        bottleneck=details["bottleneck"],
        sentence=details["sentence"],
        ending=ending["how"],
        details=details,
        _text=text,
        _letters=tuple(letters),
    )


def item_error(letter: Any) -> ItemError:
    """A dead letter as an exception, with the one that led to it as its cause."""
    index, step, attempts, verdict, message, name, traceback, error = letter
    raised = ItemError(f"item {index}, {step}: {message}", index=index, step=step, attempts=attempts, verdict=verdict)
    raised.__cause__ = _cause(name, traceback, error)
    return raised


def _cause(name: str | None, traceback: str, error: Any) -> BaseException | None:
    if error is None:
        return None
    kind, value = error
    if kind == _pickling.PICKLE:
        try:
            value = _pickling.loads(value)
        except Exception:
            return None
        # Where it was raised is in another process, and its traceback cannot come along.
        if isinstance(value, BaseException) and traceback and hasattr(value, "add_note"):
            value.add_note(f"raised in a worker process:\n{traceback}")
    return value if isinstance(value, BaseException) else None


@dataclass(frozen=True)
class Comparison:
    """The same job done with each strategy. Printed, it is the table of ``inflight compare``."""

    #: What each run came to, from ``sequential`` to ``parallel``.
    runs: list[Summary]
    #: Every field of ``inflight compare --json``.
    details: dict[str, Any] = field(repr=False)
    _text: str = field(repr=False, default="", compare=False)

    def __str__(self) -> str:
        return self._text.rstrip()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclass(frozen=True)
class Plan:
    """How long a job will take. Printed, it is the table of ``inflight plan``."""

    #: The strategy that is predicted to take least.
    quickest: str | None
    #: What each strategy is predicted to take, in seconds.
    predicted_s: dict[str, float]
    #: Every field of ``inflight plan --json``.
    details: dict[str, Any] = field(repr=False)
    _text: str = field(repr=False, default="", compare=False)

    def __str__(self) -> str:
        return self._text.rstrip()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def comparison_of(details: dict[str, Any], text: str) -> Comparison:
    """Reads what the engine says."""
    return Comparison([summary_of(run, run["sentence"], []) for run in details["runs"]], details, text)


def plan_of(details: dict[str, Any], text: str) -> Plan:
    """Reads what the engine says."""
    predicted = {one["strategy"]: one["predicted_s"] for one in details["strategies"]}
    return Plan(details["quickest"], predicted, details, text)
