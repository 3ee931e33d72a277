"""How streams are read and land, where one file says it: the command line and a data job do the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from headwater import cli
from headwater.bridge.vdk import plugin
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from headwater.protocol.messages import Message, Spec, State, Status, StreamStatus

KEYED: dict[str, Any] = {"json_schema": {"properties": {"id": {}, "at": {}, "note": {}}}, "primary_key": (("id",),)}
CATALOG = Catalog(
    (
        CatalogStream("own", supported_sync_modes=("full_refresh", "incremental"), source_defined_cursor=True, **KEYED),
        CatalogStream("open", supported_sync_modes=("full_refresh", "incremental"), **KEYED),
        CatalogStream("whole", {"properties": {"id": {}}}),
        CatalogStream("tail", supported_sync_modes=("incremental",), **KEYED),
        CatalogStream("same", {"properties": {"id": {}, "at": {}}}, namespace="a"),
        CatalogStream("same", {"properties": {"id": {}, "at": {}}}, namespace="b"),
    )
)
STEP = """
from headwater.bridge.vdk import toml_parser
from headwater.bridge.vdk.data_flow import DataFlowInput
def run(job_input):
    with DataFlowInput(job_input) as flow:
        flow.start_flows(toml_parser.load_config(job_input.get_job_directory() / "flow.toml"))
"""
FLOW = """
[sources.s]
name = "chosen"
[destinations.db]
target = "sqlite:///out.db"
[[flows]]
from = "s"
to = "db"
"""


class Chosen:
    """A connector that remembers what it was asked for, and has no records."""

    name = "chosen"
    asked: list[ConfiguredCatalog] = []

    @classmethod
    def spec(cls) -> Spec:
        return Spec({"connectionSpecification": {"type": "object"}})

    @classmethod
    def from_config(cls, config: Any) -> Chosen:
        return cls()

    def discover(self) -> Catalog:
        return CATALOG

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        self.asked.append(catalog)
        for stream in catalog.streams:
            yield StreamStatus(stream.descriptor, Status.COMPLETE)


Door = Callable[[str], "dict[str, tuple[Any, ...]] | str"]


@pytest.fixture(params=["command line", "data job"])
def door(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job: Any,
    run: Any,
) -> Door:
    """Runs a flow that says this; gives what was asked of the connector by stream, or what is wrong."""
    monkeypatch.setattr("headwater.registry.find", lambda name: Chosen)
    monkeypatch.setattr("headwater.registry.names", lambda: ["chosen"])
    monkeypatch.setattr(Chosen, "asked", [])

    def through(said: str) -> dict[str, tuple[Any, ...]] | str:
        folder = job(STEP, flow_toml=FLOW + said)
        if request.param == "command line":
            failed, told = cli.main(["run", str(folder / "flow.toml"), "--no-progress"]), capsys.readouterr().err
        else:
            result = run(folder, plugin)
            failed, told = result.exit_code, result.output
        if failed:
            return str(told)
        (catalog,) = Chosen.asked
        return {
            str(one.descriptor): (one.sync_mode, one.destination_sync_mode, one.primary_key, one.cursor_field)
            for one in catalog.streams
        }

    return through


ID, AT = (("id",),), ("at",)
INCREMENTAL, WHOLE = ("incremental", "append_dedup", ID, ()), ("full_refresh", "append", (), ())
UNSAID = {
    "own": INCREMENTAL,
    "open": ("full_refresh", "append_dedup", ID, ()),
    "whole": WHOLE,
    "tail": INCREMENTAL,
    "a.same": WHOLE,
    "b.same": WHOLE,
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", UNSAID),
        ('sync_mode = "incremental"', {**UNSAID, "open": INCREMENTAL}),
        ('mode = "append"\nstreams = ["own", "whole"]', {"own": ("incremental", "append", ID, ()), "whole": WHOLE}),
        (
            'sync_mode = "incremental"\nmode = "overwrite"\nstreams = ["own"]',
            {"own": ("full_refresh", "overwrite", ID, ())},
        ),
        (
            'sync_mode = "full_refresh"\n[flows.streams.own]\nsync_mode = "incremental"\n[flows.streams.open]',
            {"own": INCREMENTAL, "open": UNSAID["open"]},
        ),
        ('[flows.streams.open]\ncursor_field = "at"', {"open": ("incremental", "append_dedup", ID, AT)}),
        (
            'sync_mode = "full_refresh"\n[flows.streams.open]\ncursor_field = "at"',
            {"open": ("full_refresh", "append_dedup", ID, AT)},
        ),
        (
            '[flows.streams.open]\ncursor_field = "at"\nmode = "overwrite"',
            {"open": ("full_refresh", "overwrite", ID, AT)},
        ),
        ('[flows.streams.whole]\ncursor_field = "id"', {"whole": ("full_refresh", "append", (), ("id",))}),
        ('[flows.streams.whole]\nprimary_key = ["id"]', {"whole": ("full_refresh", "append_dedup", ID, ())}),
        (
            '[flows.streams."a.same"]\nprimary_key = ["id"]\n[flows.streams."b.same"]\nmode = "overwrite"',
            {"a.same": ("full_refresh", "append_dedup", ID, ()), "b.same": ("full_refresh", "overwrite", (), ())},
        ),
    ],
)
def test_what_a_flow_says_and_what_it_leaves_open(door: Door, said: str, expected: dict[str, Any]) -> None:
    assert door(said) == expected


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('[flows.streams.whole]\nsync_mode = "incremental"', "'whole': the source can't read it with 'incremental'"),
        ('sync_mode = "incremental"\nstreams = ["whole"]', "'whole': the source can't read it with 'incremental'"),
        ('[flows.streams.tail]\nmode = "overwrite"', "'tail': the source can't read it with 'full_refresh'"),
        ('[flows.streams.own]\nmode = "overwrite"\nsync_mode = "incremental"', "'own'.*must be read whole"),
        ('[flows.streams.whole]\nmode = "append_dedup"', "'whole'.*needs a primary key"),
        ('[flows.streams.own]\ncolumns = ["nte"]', "'own' has no column 'nte'. It has: id, at, note"),
        ('[flows.streams.own]\nprimary_key = ["ident"]', "'own' has no column 'ident' for its key or cursor"),
        ('streams = ["none"]', "No stream 'none'. The source has: "),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_read(door: Door, said: str, told: str) -> None:
    wrong = door(said)
    assert isinstance(wrong, str) and Chosen.asked == []
    assert re.search(told, wrong)
