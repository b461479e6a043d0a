"""The keywords of a job, for type checkers: the flags of ``inflight run``, with ``_`` for ``-``.

Read by type checkers alone. What a keyword takes and means is decided by the command line; a test holds these names against it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from typing import TypedDict

Duration = float | str | datetime.timedelta
Path = str | os.PathLike[str]


class MapKeywords(TypedDict, total=False):
    """The keywords of ``map`` and ``amap``."""

    answer_max: str
    batch: int
    brake: str
    bulk: int | str
    ca_file: Path
    check: Path
    compute_timeout: Duration
    connect_timeout: Duration
    deadline: Duration
    fail_if: str
    fail_status: str
    fetch_body: str
    fetch_header: str | Sequence[str]
    fetch_quota: str | Sequence[str]
    field: str
    format: str
    halt: str | int
    halt_key: bool
    in_flight: int | str
    jobs: int | str
    json: Path
    max_in_flight: int
    max_outage: Duration
    no_header: bool
    no_profile: bool
    no_record: bool
    ok_status: str
    order_by: str
    progress: str
    proxy: str
    quiet: bool
    rate: str
    report: Path
    retries: int
    retry_if: str
    retry_status: str
    strategy: str
    timeout: Duration
    tokens: str
    verbose: bool
    worker_batch: int | str
    worker_recycle: int
    yield_every: Duration


class Keywords(MapKeywords, total=False):
    """The keywords of ``run`` and ``arun``."""

    append: bool
    columns: str
    create: bool
    dead_payload: str
    each: str
    fresh: bool
    header: str | Sequence[str]
    idempotent: bool
    item_text: bool
    journal: Path
    keep_order: bool
    key: str
    lines_before: str
    no_journal: bool
    once: bool
    responses: Path
    save_body: str
    save_quota: str | Sequence[str]
    skip_existing: bool
