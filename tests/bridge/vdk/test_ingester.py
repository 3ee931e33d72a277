"""``DataSourceIngester`` where ``job_input`` is a stand-in: what VDK's own users do in tests."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from vdk.plugin.data_sources.data_source import (
    DataSourcePayload,
    DataSourcesAggregatedException,
    IDataSource,
    IDataSourceStream,
    RetryDataSourceStream,
    StopDataSourceStream,
)

from headwater.bridge.vdk.ingester import DataSourceIngester, IngestDestination
from headwater.bridge.vdk.states import KEY


class JobInput:
    """Only what sends, and properties."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, str | None, dict[str, Any]]] = []
        self.properties: dict[str, Any] = {"mine": 1}
        self.written = 0

    def send_object_for_ingestion(
        self,
        payload: dict[str, Any],
        destination_table: str | None,
        method: str | None,
        target: str | None,
        collection_id: str | None = None,
    ) -> None:
        self.sent.append((method, destination_table, payload))

    def get_all_properties(self) -> dict[str, Any]:
        return copy.deepcopy(self.properties)

    def set_all_properties(self, properties: dict[str, Any]) -> None:
        self.properties = copy.deepcopy(properties)
        self.written += 1


class Listed(IDataSourceStream):  # type: ignore[misc]
    def __init__(self, name: str, payloads: list[Any]) -> None:
        self._name = name
        self._payloads = payloads
        self.reads = 0

    def name(self) -> str:
        return self._name

    def read(self) -> Any:
        self.reads += 1
        for payload in self._payloads:
            if isinstance(payload, Exception):
                raise payload
            yield payload


class Source(IDataSource):  # type: ignore[misc]
    def __init__(self, *streams: Listed, others: dict[str, Any] | None = None) -> None:
        self._streams = streams
        self._others = others
        self.state: Any = None

    def configure(self, config: Any) -> None: ...

    def connect(self, state: Any) -> None:
        self.state = state
        if self._others:
            state.update_others("token", self._others)

    def streams(self) -> list[Any]:
        return list(self._streams)

    def disconnect(self) -> None: ...


def payload(number: int, **more: Any) -> DataSourcePayload:
    return DataSourcePayload({"id": number}, {}, {"last": number}, **more)


def ingest(job: JobInput, source: Source, *to: IngestDestination, callback: Any = None) -> DataSourceIngester:
    ingester = DataSourceIngester(job, retry_seconds=0.0)
    ingester.start_ingestion("id", source, list(to), callback)
    ingester.terminate_and_wait_to_finish()
    return ingester


def states(job: JobInput) -> Any:
    return job.properties[KEY]["id"]


def test_records_go_to_their_tables_and_states_come_after() -> None:
    job = JobInput()
    stream = Listed("s", [payload(1), payload(2, destination_table="other"), payload(3)])
    ingest(job, Source(stream), IngestDestination(method="m")).raise_on_error()
    assert sorted(job.sent, key=lambda sent: sent[2]["id"]) == [
        ("m", "s", {"id": 1}),
        ("m", "other", {"id": 2}),
        ("m", "s", {"id": 3}),
    ]
    assert states(job)["streams"] == {"s": {"last": 3}}
    assert job.properties["mine"] == 1


def test_many_states_are_written_seldom() -> None:
    job = JobInput()
    ingest(job, Source(*(Listed(f"s{i}", [payload(n) for n in range(200)]) for i in range(10))))
    assert len(job.sent) == 2000
    assert states(job)["streams"] == {f"s{i}": {"last": 199} for i in range(10)}
    assert job.written <= 2


def test_several_destinations_each_get_every_record_from_one_read() -> None:
    def second(p: DataSourcePayload) -> DataSourcePayload | None:
        return None if p.data["id"] == 1 else p

    job, stream = JobInput(), Listed("s", [payload(1), payload(2)])
    to = [IngestDestination(method="a"), IngestDestination("t", "b", map_function=second)]
    ingest(job, Source(stream), *to).raise_on_error()
    assert stream.reads == 1
    assert sorted(job.sent, key=str) == [("a", "s", {"id": 1}), ("a", "s", {"id": 2}), ("b", "t", {"id": 2})]


def test_values_that_json_lacks_arrive_sensibly() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    data = {"at": at, "day": at.date(), "sum": Decimal("1.10"), "raw": b"\x00\xff", "nan": float("nan")}
    job = JobInput()
    stream = Listed("s", [DataSourcePayload(data, {"read": at}, {"until": at})])
    ingest(job, Source(stream)).raise_on_error()
    assert job.sent[0][2] == {
        "at": "2026-01-02T03:04:05Z",
        "day": "2026-01-02",
        "sum": 1.1,
        "raw": "AP8=",
        "nan": None,
    }
    assert states(job)["streams"] == {"s": {"until": "2026-01-02T03:04:05Z"}}


def test_a_payload_may_be_only_a_state_or_only_data() -> None:
    job = JobInput()
    stream = Listed("s", [DataSourcePayload({"id": 1}, {}), DataSourcePayload(None, {}, {"last": 1})])
    ingest(job, Source(stream)).raise_on_error()
    assert [sent[2] for sent in job.sent] == [{"id": 1}]
    assert states(job)["streams"] == {"s": {"last": 1}}


def test_a_stream_may_stop_itself() -> None:
    job = JobInput()
    ingest(job, Source(Listed("s", [payload(1), StopDataSourceStream(), payload(2)]))).raise_on_error()
    assert [sent[2] for sent in job.sent] == [{"id": 1}]


def test_a_stream_that_asks_to_be_tried_again_is_not_tried_for_ever() -> None:
    job, stream = JobInput(), Listed("s", [payload(1), RetryDataSourceStream("busy")])
    with pytest.raises(DataSourcesAggregatedException, match="busy"):
        ingest(job, Source(stream)).raise_on_error()
    assert stream.reads == 4


def test_one_stream_fails_and_the_others_land() -> None:
    job = JobInput()
    source = Source(Listed("bad", [payload(1), ValueError("odd")]), Listed("good", [payload(n) for n in (1, 2)]))
    with pytest.raises(DataSourcesAggregatedException) as caught:
        ingest(job, source).raise_on_error()
    assert isinstance(caught.value.data_streams_exceptions["bad"], ValueError)
    assert states(job)["streams"] == {"bad": {"last": 1}, "good": {"last": 2}}


def test_what_the_callback_is_given() -> None:
    asked: list[Any] = []
    stream = Listed("s", [ValueError("odd")])
    ingest(JobInput(), Source(stream), callback=asked.append).raise_on_error()
    assert asked[0].data_stream is stream and isinstance(asked[0].exception, ValueError)


def test_a_callback_that_fails_leaves_the_first_error() -> None:
    def failing(error: Any) -> None:
        raise KeyError("callback")

    ingester = ingest(JobInput(), Source(Listed("s", [ValueError("odd")])), callback=failing)
    with pytest.raises(DataSourcesAggregatedException, match="odd"):
        ingester.raise_on_error()


def test_what_a_source_keeps_of_its_own_waits_for_a_good_end() -> None:
    job = JobInput()
    ingest(job, Source(Listed("s", [ValueError()]), others={"n": 1}))
    assert KEY not in job.properties
    ingest(job, Source(Listed("s", [payload(1)]), others={"n": 2}))
    assert states(job)["others"] == {"token": {"n": 2}}
    source = Source(Listed("s", []))
    ingest(job, source)
    assert source.state.read_others("token") == {"n": 2}
    assert source.state.read_stream("s") == {"last": 1}


def test_one_id_is_read_once_at_a_time() -> None:
    ingester = DataSourceIngester(JobInput())
    ingester.ingest_data_source("id", Source())
    with pytest.raises(ValueError, match="'id'"):
        ingester.ingest_data_source("id", Source())
    ingester.terminate_and_wait_to_finish()


def test_a_job_input_without_properties_has_states_in_memory() -> None:
    class Sends:
        def __init__(self) -> None:
            self.sent: list[Any] = []

        def send_object_for_ingestion(self, **call: Any) -> None:
            self.sent.append(call)

    job = Sends()
    ingest(job, Source(Listed("s", [payload(1)]))).raise_on_error()  # type: ignore[arg-type]
    assert len(job.sent) == 1
