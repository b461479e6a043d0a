"""Progress in a notebook: one line below the cell, written anew by whoever waits for the run."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._inflight import Run
    from ._job import Job

#: Between two updates: quick enough to look alive.
EVERY = 0.5


class Progress:
    """Shows how a run goes; nothing outside of a notebook."""

    def __init__(self, *, is_shown: bool) -> None:
        self.is_shown = is_shown
        self.handle: Any = None
        self.due = time.monotonic() + EVERY

    @classmethod
    def of(cls, job: Job) -> Progress:
        """For this job: not when nothing should be shown."""
        return cls(is_shown=job.shows_progress and is_notebook())

    def show(self, run: Run, *, is_over: bool = False) -> None:
        """Writes the line anew when it is time; of a run that was over soon, never."""
        now = time.monotonic()
        if not self.is_shown or (now < self.due and not (is_over and self.handle is not None)):
            return
        self.due = now + EVERY
        import IPython.display

        # It has types for some of what it offers.
        ipython: Any = IPython.display
        saved, dead, elapsed = run.progress()
        line = ipython.HTML(line_of(saved, dead, elapsed, is_over))
        if self.handle is None:
            self.handle = ipython.display(line, display_id=True)
        else:
            self.handle.update(line)


def line_of(saved: int, dead: int, elapsed: float, is_over: bool) -> str:
    """The line."""
    rate = f", {saved / elapsed:,.0f}/s" if elapsed > 0 else ""
    given_up = f", {dead:,} given up" if dead else ""
    return f"<code>inflight: {'done, ' if is_over else ''}{saved:,} saved{given_up} in {elapsed:.1f} s{rate}</code>"


def is_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"
