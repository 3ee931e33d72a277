"""X21: whoever reads its output bears what else may come with it."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.consumers import bridge, program
from headwater.acceptance.results import Finding
from headwater.acceptance.spoiled import MOST, Taken, spoil


@check("X21", "Whoever reads its output gets every record and state of it, amid noise and when it dies in mid-line")
def consumed(connector: Connector) -> Iterator[Finding]:
    """Headwater's bridge, or the program of --consumer, is given the first read among lines that are no messages,
    unknown types, other ends of lines and one of 20 MB; then cut off in the middle of a line, which it must tell."""
    whole = connector.succeeded.size <= MOST
    for cut in (False, True) if whole else (True,):
        path = connector.folder / f"spoiled-{'cut' if cut else 'whole'}.jsonl"
        wanted = spoil(connector.first, path, cut=cut)
        words = connector.settings.consumer
        if words:
            name = words[0].rpartition("/")[2]
            taken, problem = program(words, path, connector.settings.timeout_of("basic_read"))
        else:
            name = "Headwater's bridge"
            taken, problem = bridge(path, connector.streams, cut=cut)
        what = f"{name}, reading {path.name}"
        if cut and problem is None:
            yield Finding(f"{what}: that the last line is cut off is not told.", connector.first)
        elif problem is not None and not cut:
            yield Finding(f"{what}: {problem}", connector.first)
        yield from _compared(connector, wanted, taken, what)


def _compared(connector: Connector, wanted: Taken, taken: Taken, what: str) -> Iterator[Finding]:
    gone, more = wanted.records - taken.records, taken.records - wanted.records
    for found, word in ((gone, "do not arrive"), (more, "arrive that were not written")):
        if found:
            (name, data), _ = found.most_common(1)[0]
            example = data.decode("utf-8", "replace")[:120]
            message = f"{what}: {found.total()} records {word}, such as {name} {example}."
            yield Finding(message, connector.first, stream=name)
    if wanted.states != taken.states:
        count = len(wanted.states)
        same = next((n for n, pair in enumerate(zip(wanted.states, taken.states, strict=False)) if pair[0] != pair[1]),
                    min(count, len(taken.states)))  # fmt: skip
        message = f"{what}: of {count} states {len(taken.states)} arrive, and from number {same + 1} on others."
        yield Finding(message, connector.first)
