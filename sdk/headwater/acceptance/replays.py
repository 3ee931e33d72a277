"""Resumed reads, compared with the read from the beginning: what was read before, and what comes after, must
together have everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, records_are
from headwater.acceptance.rows import Had, rows_of, show

if TYPE_CHECKING:
    from headwater.acceptance.connector import Connector


def uncovered(
    connector: Connector,
    run: Recording,
    had: Mapping[str, Had],
    what: str,
    names: Iterable[str],
    states: Mapping[str, int] | None = None,
) -> Iterator[Finding]:
    """What of the first read neither was there before a resumed read nor came in it.

    :param run: the resumed read.
    :param had: what each stream had before.
    :param what: where it was resumed, for people: "after ...".
    :param states: the line of the first read with the state that each stream was resumed from.
    """
    if run.timed_out or run.code != 0:
        error = next((str(error.get("message")) for _, error in run.traces("error")), run.said(200))
        yield Finding(f"The read that goes on {what} {run.ending}: {error}", run)
        return
    found = rows_of(run, connector.streams, connector.settings.ignored_fields)
    for name in names:
        before = connector.rows[name]
        others: list[Had] = [found[name], *([had[name]] if name in had else [])]
        gone = before.keys.missing(*(one.keys for one in others))
        what_is_gone = f"{records_are(gone.count)} lost"
        if not gone.count and connector.stands_still and connector.streams[name].primary_key:
            gone = before.contents.missing(*(one.contents for one in others))
            what_is_gone = f"a version of {gone.count} {'record' if gone.count == 1 else 'records'} is lost"
        if gone.count:
            example = show(connector.first, connector.streams, name, gone.lines[0])
            place = f" (that on line {states[name]})" if states and name in states else ""
            message = f"{name}: {what_is_gone} when the read goes on {what}{place}, such as {example}."
            yield Finding(message, run, stream=name)
