"""Ingestion methods as sinks: what a plugin is called with, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from vdk.internal.core import errors as vdk_errors

from headwater.bridge.sink import Batch
from headwater.bridge.vdk.errors import DefinitionError
from headwater.bridge.vdk.job import Job
from headwater.bridge.vdk.methods import METHODS, Method, flat, plain_name, renamed
from headwater.bridge.vdk.sink import IngestionSink
from headwater.errors import DestinationError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records
from headwater.protocol.values import encode_rows


class Plugin:
    """An ingestion plugin that notes its calls."""

    def __init__(self, calls: list[Any], name: str = "plugin", fail: Exception | None = None) -> None:
        self.calls = calls
        self.name = name
        self.fail = fail

    def ingest_payload(self, **call: Any) -> Any:
        self.calls.append((self.name, "ingest", call))
        if self.fail:
            raise self.fail
        return {"ingested": len(call["payload"])}

    def pre_ingest_process(self, **call: Any) -> Any:
        self.calls.append((self.name, "pre", call))
        if self.fail:
            raise self.fail
        rows = [{**row, self.name: True} for row in call["payload"]]
        if self.name == "mover":
            return rows, {"updated_dynamic_params": {"destination_table": "moved"}, "kept": 1}
        return rows, call["metadata"]

    def post_ingest_process(self, **call: Any) -> Any:
        self.calls.append((self.name, "post", call))
        if self.fail:
            raise self.fail
        return {"posted": self.name}


def job(calls: list[Any], settings: dict[str, Any] | None = None, **plugins: Any) -> Job:
    made = {"m": Plugin(calls), **plugins}
    return Job({name: lambda p=p: p for name, p in made.items()}, (settings or {}).get, "a-job", "op")


def batch(rows: list[dict[str, Any]], stream: CatalogStream | None = None) -> Batch:
    configured = ConfiguredStream(stream or CatalogStream("things"))
    return Batch(configured, [Records(configured.descriptor, encode_rows(rows)[0])])


def write(job: Job, rows: list[dict[str, Any]], target: str | None = "t") -> None:
    one = batch(rows)
    sink = IngestionSink(job, "m", target)
    sink.open(ConfiguredCatalog((one.stream,)))
    sink.write(one, ())
    sink.close()


def test_the_call_is_vdk_cores() -> None:
    calls: list[Any] = []
    write(job(calls), [{"a": 1, "n": {"x": [1]}}, {"b": None}])
    assert calls == [
        (
            "plugin",
            "ingest",
            {
                "payload": [{"a": 1, "n": {"x": [1]}}, {"b": None}],
                "destination_table": "things",
                "target": "t",
                "collection_id": "a-job|op",
                "metadata": None,
            },
        )
    ]


def test_processors_see_what_vdk_core_shows_them() -> None:
    calls: list[Any] = []
    settings = {
        "INGEST_PAYLOAD_PREPROCESS_SEQUENCE": "marker, mover",
        "INGEST_PAYLOAD_POSTPROCESS_SEQUENCE": "after,m",
    }
    others = {name: Plugin(calls, name) for name in ("marker", "mover", "after")}
    write(job(calls, settings, **others), [{"a": 1}])
    assert [(name, what) for name, what, _ in calls] == [
        ("marker", "pre"),
        ("mover", "pre"),
        ("plugin", "ingest"),
        ("after", "post"),
        ("plugin", "post"),
    ]
    same = {"target": "t", "collection_id": "a-job|op"}
    rows = [{"a": 1, "marker": True, "mover": True}]
    assert calls[0][2] == {
        "payload": [{"a": 1}],
        "destination_table": "things",
        "metadata": None,
        "method": "m",
        **same,
    }
    assert calls[2][2] == {"payload": rows, "destination_table": "moved", "metadata": {"kept": 1}, **same}
    assert calls[3][2] == {
        "payload": rows,
        "destination_table": "moved",
        "metadata": {"ingested": 1},
        "exception": None,
        "method": "m",
        **same,
    }
    assert calls[4][2]["metadata"] == {"posted": "after"}


@pytest.mark.parametrize(("culprit", "user"), [("pre", True), ("m", False), ("post", True)])
def test_a_failure_refuses_the_batch_and_is_shown_to_post_processors(culprit: str, user: bool) -> None:
    calls: list[Any] = []
    broken = OSError("no room")
    plugins = {name: Plugin(calls, name, broken if name == culprit else None) for name in ("pre", "m", "post")}
    settings = {
        "INGEST_PAYLOAD_PREPROCESS_SEQUENCE": "pre",
        "INGEST_PAYLOAD_POSTPROCESS_SEQUENCE": "post",
    }
    with pytest.raises(DestinationError, match=r"'things'.*no room") as caught:
        write(job(calls, settings, **plugins), [{"a": 1}])
    assert caught.value.__cause__ is broken
    assert calls[-1][1] == "post"
    assert calls[-1][2]["exception"] is (None if culprit == "post" else broken)
    assert ("m", "ingest") not in [call[:2] for call in calls] or culprit != "pre"
    by = vdk_errors.get_exception_resolvable_by(caught.value)
    assert (by is vdk_errors.ResolvableBy.USER_ERROR) is user


def test_what_vdk_has_classified_stays_so() -> None:
    fail = vdk_errors.UserCodeError("make the table")
    with pytest.raises(DestinationError) as caught:
        write(job([], m=Plugin([], fail=fail)), [{"a": 1}])
    assert vdk_errors.get_exception_resolvable_by(caught.value) is vdk_errors.ResolvableBy.USER_ERROR


def test_a_posting_has_no_more_rows_than_suit_the_method() -> None:
    calls: list[Any] = []
    write(job(calls), [{"a": n} for n in range(2500)])
    assert [len(call["payload"]) for _, _, call in calls] == [1000, 1000, 500]


def test_unknown_processors_and_methods_are_named() -> None:
    with pytest.raises(DefinitionError, match=r"'nobody'.*m"):
        IngestionSink(job([], {"INGEST_PAYLOAD_PREPROCESS_SEQUENCE": "nobody"}), "m", None)
    with pytest.raises(DefinitionError, match=r"'x'.*m"):
        job([]).method("x")
    assert job([], {"INGEST_METHOD_DEFAULT": "M"}).method(None) == "m"
    assert job([], {"INGEST_TARGET_DEFAULT": "t"}).target(None) == "t"


def test_streams_of_one_name_get_a_table_each() -> None:
    calls: list[Any] = []
    streams = [
        CatalogStream("s", namespace="a"),
        CatalogStream("s", namespace="b"),
        CatalogStream("t", namespace="a"),
    ]
    sink = IngestionSink(job(calls), "m", None)
    sink.open(ConfiguredCatalog(tuple(ConfiguredStream(stream) for stream in streams)))
    for stream in streams:
        sink.write(batch([{"a": 1}], stream), ())
    assert [call["destination_table"] for _, _, call in calls] == ["a_s", "b_s", "t"]


RESERVED = METHODS["vdk.plugin.sqlite"].reserved or frozenset()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("id", "id"),
        ("Order", "Order_"),
        ("commit", "commit_"),
        ("a-b c", "a_b_c"),
        ("1st", "_1st"),
        ("", "_"),
    ],
)
def test_names_that_sql_takes_without_quotes(name: str, column: str) -> None:
    assert plain_name(name, RESERVED) == column


def test_two_fields_never_fall_into_one_column() -> None:
    with pytest.raises(DestinationError, match="'a-b' and 'A_b'"):
        renamed(["a-b", "A_b"], RESERVED, "t")


def test_flat_values() -> None:
    assert flat({"a": ["Ω"]}) == '{"a":["Ω"]}'
    assert flat(2**63) == str(2**63) and flat(2**63 - 1) == 2**63 - 1
    assert flat(True) is True and flat(None) is None


def test_facts_are_of_the_class_and_its_bases() -> None:
    from headwater.bridge.vdk.methods import facts

    base = type("IngestToSQLite", (), {"__module__": "vdk.plugin.sqlite.ingest_to_sqlite"})
    mine = type("Mine", (base,), {"__module__": "mine"})
    assert facts(mine()) is METHODS["vdk.plugin.sqlite"]
    assert facts(object()) == Method()
