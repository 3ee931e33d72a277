"""X6 and X7: slow readers, and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import SLOW, Act
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Skipped, records_are
from headwater.acceptance.rows import rows_of

PIPE = 65_536
_PAUSE = 3.0
_AHEAD = 32_000_000
_LARGE = 8_000_000
_GROWTH = 48_000_000
_SHARE = 0.25
_THREADS = 160_000_000
"""Bytes that a read may use besides, for stacks and heaps of its threads, which count before they are filled."""
_CONTAINER = 256_000_000
_LIMIT = 'ulimit -d "$0" && exec "$@"'
"""A limit of what can be written to in memory, in kilobytes: unlike that of addresses it does not count what is only
reserved, as Java, Go and Node do in gigabytes."""


@check("X6", "A slow reader slows it down, and loses nothing")
def back_pressure(connector: Connector) -> Iterator[Finding]:
    """Its output is not read for three seconds, and then at 1 KB/s for as long: it holds at most 32 MB more, and all
    records come."""
    size = connector.succeeded.size
    if size < 4 * PIPE:
        raise Skipped(f"what it writes ({size} bytes) fits into a pipe: a config that reads more is needed.")
    act = Act("pause", size // 4, _PAUSE, slow=_PAUSE)
    run = connector.read(connector.streams, act=act, tight=True, what="a slow reader")
    if run.code != 0:
        yield Finding(f"With a slow reader the read {run.ending}. {run.said(200)}", run)
        return
    if run.acted is not None and not connector.room.container:
        held = [sample.resident for sample in run.samples if run.acted <= sample.time <= run.acted + 2 * _PAUSE]
        if held and max(held) - held[0] > _AHEAD:
            grown = (max(held) - held[0]) / 1e6
            message = f"While its output is taken at {SLOW} bytes a second or not at all it goes on reading: " \
                      f"{grown:.0f} MB in {2 * _PAUSE:.0f} s."  # fmt: skip
            yield Finding(message, run)
    yield from _lost(connector, run, "with a slow reader")


def _lost(connector: Connector, run: Recording, how: str) -> Iterator[Finding]:
    found = rows_of(run, connector.streams)
    for name, rows in connector.rows.items():
        gone = rows.keys.missing(found[name].keys).count
        if gone:
            yield Finding(f"{name}: {records_are(gone)} lost {how}.", run, stream=name)


@check("X7", "Its memory does not grow with what it reads")
def bounded_memory(connector: Connector) -> Iterator[Finding]:
    """The most it holds in a read of more than 8 MB: that of `discover`, 48 MB and a quarter of the output. And it
    reads all of it under a limit of memory: `ulimit -d`, of a container 256 MB and a quarter of the output."""
    run = connector.succeeded
    if run.size < _LARGE:
        raise Skipped(f"it writes {run.size / 1e6:.1f} MB: a config that reads more than 8 MB is needed.")
    growth = _GROWTH + int(run.size * _SHARE)
    if not connector.room.container:
        before = max(connector.discover_run.peak, connector.check_run.peak)
        grown = run.peak - before
        if grown > growth:
            yield Finding(f"It holds {grown / 1e6:.0f} MB more than `discover` to write {run.size / 1e6:.0f} MB.", run)
    limited, limit = _limited(connector, growth)
    if limited.code != 0 or limited.timed_out:
        error = next((str(error.get("message")) for _, error in limited.traces("error")), limited.said(200))
        message = f"With {limit / 1e6:.0f} MB of memory the read of {run.size / 1e6:.0f} MB {limited.ending}: {error}"
        yield Finding(message, limited)
        return
    yield from _lost(connector, limited, f"with {limit / 1e6:.0f} MB of memory, and the read exits with 0")


def _limited(connector: Connector, growth: int) -> tuple[Recording, int]:
    """A read with little memory, and how many bytes that are."""
    if isinstance(connector.room, ImageRoom):
        limit = _CONTAINER + growth - _GROWTH
        options = ("--memory", str(limit), "--memory-swap", str(limit))
        room = replace(connector.room, options=(*connector.room.options, *options))
        return connector.read(connector.streams, room=room, what="with little memory"), limit
    limit = max(connector.discover_run.data, connector.check_run.data) + _THREADS + growth
    prefix = ("sh", "-c", _LIMIT, str(limit // 1024))
    return connector.read(connector.streams, prefix=prefix, what="with little memory"), limit
