"""Schemas that a stream asks its API for: when, how often, and what if it can't."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from headwater import ConfigError, HttpSource, HttpStream, Manners, SkipSlice, SourceError, TransientError
from headwater.config import Config
from headwater.errors import HeadwaterError, IncompleteError
from headwater.http.retry import RetryPolicy
from headwater.testing import Upstream, read
from headwater.testing.reading import result_of


class CrmConfig(Config):
    url: str


class Table(HttpStream):
    """A table whose fields the API tells."""

    primary_key = ("id",)
    coerce = True

    @property
    def path(self) -> str:  # type: ignore[override]
        return f"rows/{self.name}"

    def json_schema(self) -> Mapping[str, Any]:
        fields = self.source.get(f"fields/{self.name}")
        return {"properties": {field["name"]: {"type": ["null", field["type"]]} for field in fields}}


class People(Table):
    name = "people"


class Deals(Table):
    name = "deals"


class Notes(HttpStream):
    name = "notes"
    path = "notes"
    schema = {"properties": {"text": {"type": "string"}}}


class Crm(HttpSource):
    name = "crm"
    config: CrmConfig
    manners = Manners(retry=RetryPolicy(attempts=1))

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[HttpStream]:
        return [People(self), Deals(self), Notes(self)]


FIELDS = [{"name": "id", "type": "integer"}, {"name": "age", "type": "integer"}]


@pytest.fixture
def api() -> Any:
    with Upstream() as upstream:
        upstream.on("/fields/people", json=FIELDS)
        upstream.on("/rows/people", json=[{"id": "1", "age": "30"}])
        upstream.on("/rows/deals", json=[{"id": 1}])
        upstream.on("/notes", json=[{"text": "x"}])
        yield upstream


def asked(api: Upstream) -> list[str]:
    return [request.path for request in api.requests if request.path.startswith("/fields")]


def crm(api: Upstream) -> Crm:
    return Crm.from_config({"url": api.url})


def test_discover_asks_each_once_and_read_only_its_own(api: Upstream) -> None:
    api.on("/fields/deals", json=FIELDS[:1])
    source = crm(api)
    catalog = source.discover()
    assert sorted(asked(api)) == ["/fields/deals", "/fields/people"]
    assert catalog.streams[0].json_schema["properties"]["age"] == {"type": ["null", "integer"]}
    list(source.read(catalog.configured(["people"])))
    assert len(asked(api)) == 2
    another = crm(api)
    list(another.read(catalog.configured(["people"])))
    assert asked(api)[2:] == ["/fields/people"]


def test_records_are_coerced_to_what_was_asked(api: Upstream) -> None:
    api.on("/fields/deals", json=FIELDS)
    assert read(crm(api), "people").ok().records["people"] == [{"id": 1, "age": 30}]


def test_spec_asks_nothing(api: Upstream) -> None:
    Crm.spec()
    assert not api.requests


def test_check_asks_for_no_schema(api: Upstream) -> None:
    crm(api).check()
    assert not asked(api)


def test_a_stream_that_is_refused_is_left_out_where_another_is_answered(
    api: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    api.on("/fields/deals", status=403, json={})
    with caplog.at_level(logging.WARNING):
        catalog = crm(api).discover()
    assert [stream.name for stream in catalog.streams] == ["people", "notes"]
    assert "'deals'" in caplog.text and "403" in caplog.text


def test_where_all_are_refused_it_is_the_token(api: Upstream) -> None:
    api.on("/fields/deals", json=FIELDS)

    class Refused(Crm):
        def raise_for_status(self, response: Any) -> None:
            raise ConfigError("The token is refused.")

    with pytest.raises(ConfigError, match=r"'people'.*refused.*Likewise: deals \(ConfigError\)"):
        Refused.from_config({"url": api.url}).discover()


def test_a_server_that_is_down_fails_the_discovery(api: Upstream) -> None:
    api.on("/fields/deals", status=503, json={})
    with pytest.raises(TransientError, match="'deals': its schema could not be had") as caught:
        crm(api).discover()
    assert caught.value.stream == "deals"


@pytest.mark.parametrize(
    ("raised", "kind", "says"),
    [
        (KeyError("name"), SourceError, r"'deals': its schema could not be made \(KeyError\)"),
        (SourceError("odd", stream="deals"), SourceError, "^odd$"),
        (TransientError("later", retry_after=3), TransientError, "'deals'.*later"),
    ],
)
def test_whatever_happens_is_told_with_the_stream(
    api: Upstream, raised: Exception, kind: type[HeadwaterError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Deals) -> Mapping[str, Any]:
        raise raised

    monkeypatch.setattr(Deals, "json_schema", fail)
    with pytest.raises(kind, match=says) as caught:
        crm(api).discover()
    assert caught.value.stream == "deals"


def test_a_stream_that_says_it_is_not_there_is_left_out(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(self: Table) -> Mapping[str, Any]:
        raise SkipSlice("not bought")

    monkeypatch.setattr(Table, "json_schema", skip)
    assert [stream.name for stream in crm(api).discover().streams] == ["notes"]


@pytest.mark.parametrize("wrong", [None, [], "x"])
def test_a_schema_must_be_an_object(api: Upstream, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deals, "json_schema", lambda self: wrong)
    with pytest.raises(SourceError, match=r"'deals'.*must be a JSON Schema"):
        crm(api).discover()


def test_in_a_read_only_its_stream_fails(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("/fields/deals", json=FIELDS)
    catalog = crm(api).discover().configured()

    def fail(self: Table) -> Mapping[str, Any]:
        raise TransientError("later")

    monkeypatch.setattr(Deals, "json_schema", fail)
    result = result_of(crm(api).read(catalog), catalog)
    assert isinstance(result.error, IncompleteError)
    assert {name: len(rows) for name, rows in result.records.items()} == {"people": 1, "deals": 0, "notes": 1}
    (trace,) = result.traces
    assert str(trace.stream) == "deals" and "'deals': its schema could not be had. later" in trace.message
