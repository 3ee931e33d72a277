"""Between a map function and the tables: what was changed in a record on the way is told of it in any table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from headwater.bridge.sink import Batch
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.vdk.mapping import TO, RoutedSink
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Change, Records, State
from headwater.protocol.values import encode_rows

STREAM = ConfiguredStream(CatalogStream("ones"), "incremental")


class Told(MemorySink):
    """Keeps what is told of each record, by its table and its id."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[tuple[str, int], list[str]] = {}

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        super().write(batch, covered)
        for part in batch.parts:
            for index, row in enumerate(part.rows()):
                said = [change.field for change in part.changes.get(index, ())]
                self.told[str(batch.stream.descriptor), row["id"]] = said


def test_changes_go_with_their_records() -> None:
    def part(*rows: dict[str, Any], changed: int) -> Records:
        return Records(STREAM.descriptor, encode_rows(rows)[0], 5, {changed: [Change(f"f{changed}", "NULLED", "X")]})

    batch = Batch(STREAM)
    for records in (
        part({"id": 1}, {"id": 2, TO: [0, "twos"]}, {"id": 3}, changed=1),
        part({"id": 4, TO: [0, "twos"]}, {"id": 5}, changed=1),
        part({"id": 6, TO: [1, "ones"]}, changed=0),
    ):
        batch.add(records, records.size)
    first, second, elsewhere = Told(), Told(), Told()
    sink = RoutedSink([first, second], lambda table: elsewhere)
    sink.open(ConfiguredCatalog((STREAM,)))
    sink.write(batch, ())
    assert first.told == {("ones", 1): [], ("ones", 3): [], ("ones", 5): ["f1"]}
    assert second.told == {("ones", 6): ["f0"]}
    assert elsewhere.told == {("twos", 2): ["f1"], ("twos", 4): []}
