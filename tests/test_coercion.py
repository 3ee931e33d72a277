"""Records brought to their schema: what becomes of values, what is told, and what passes untouched."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater import Cursor, HttpSource, HttpStream, LinkHeader
from headwater.coercion import Coercion
from headwater.config import Config
from headwater.protocol.messages import Change, Records
from headwater.testing import Upstream, read
from tests.coercing import (
    BOOLEAN,
    DATE,
    INTEGER,
    LOCAL,
    LOCAL_TIME,
    MOMENT,
    NULLED,
    NUMBER,
    STRING,
    TIME,
    TRUNCATED,
    Schema,
    coerced,
    one,
)


class TestScalars:
    @pytest.mark.parametrize(
        ("schema", "value", "due"),
        [
            (INTEGER, "42", 42), (INTEGER, " -7 ", -7), (INTEGER, "+5", 5), (INTEGER, 5.0, 5), (INTEGER, "5.0", 5),
            (INTEGER, "1e3", 1000), (INTEGER, True, 1), (INTEGER, "9" * 40, int("9" * 40)), (INTEGER, 2**70, 2**70),
            (NUMBER, "1.5", 1.5), (NUMBER, "-.5", -0.5), (NUMBER, "7", 7), (NUMBER, False, 0), (NUMBER, "1e-3", 0.001),
            (NUMBER, 7, 7), ({"type": "number", "airbyte_type": "integer"}, "3", 3),
            (BOOLEAN, "Yes", True), (BOOLEAN, "off", False), (BOOLEAN, "t", True), (BOOLEAN, 0, False),
            (BOOLEAN, 1.0, True), (BOOLEAN, "FALSE", False), (BOOLEAN, " true ", True),
            (STRING, 5, "5"), (STRING, 1.5, "1.5"), (STRING, True, "true"), (STRING, {"a": [1]}, '{"a":[1]}'),
            (STRING, [], "[]"), ({"type": ["string", "integer"]}, 5, 5), ({"type": ["integer", "string"]}, 1.5, "1.5"),
            ({"type": ["integer", "boolean"]}, "yes", True), ({"anyOf": [{"type": "null"}, INTEGER]}, "5", 5),
            ({"oneOf": [MOMENT, {"type": "null"}]}, "2021-03-01", "2021-03-01T00:00:00Z"),
            ({"type": "string", "format": "uuid"}, "not one", "not one"), ({}, {"a": "1"}, {"a": "1"}),
            ({"type": "object"}, '{"a": 1}', {"a": 1}), ({"type": "object"}, [], {}), ({"type": "array"}, "[1]", [1]),
            ({"type": "array", "items": INTEGER}, ["1", 2, None], [1, 2, None]),
            ({"type": "array", "items": STRING}, "a", ["a"]), ({"type": "array", "items": INTEGER}, "5", [5]),
            ({"type": "array", "items": [INTEGER, STRING]}, ["a", 1, 1.5], ["a", 1, "1.5"]),
            ({"type": "object", "additionalProperties": INTEGER}, {"a": "1", "b": None}, {"a": 1, "b": None}),
        ],
    )  # fmt: skip
    def test_what_says_the_same_is_no_change(self, schema: Schema, value: Any, due: Any) -> None:
        found, told = one(schema, value)
        assert (found, type(found), told) == (due, type(due), "")

    @pytest.mark.parametrize(
        ("schema", "value", "due", "change"),
        [
            (INTEGER, "abc", None, NULLED), (INTEGER, "", None, NULLED), (INTEGER, "1_000", None, NULLED),
            (INTEGER, "0x10", None, NULLED), (INTEGER, "\u0663", None, NULLED), (INTEGER, {}, None, NULLED),
            (INTEGER, 4.7, 4, TRUNCATED), (INTEGER, "-4.7", -4, TRUNCATED), (NUMBER, "NaN", None, NULLED),
            (NUMBER, "Infinity", None, NULLED), (NUMBER, "1,5", None, NULLED), (NUMBER, [1], None, NULLED),
            (BOOLEAN, "maybe", None, NULLED), (BOOLEAN, 2, None, NULLED), (BOOLEAN, [], None, NULLED),
            ({"type": "object"}, "text", None, NULLED), ({"type": "object"}, [1], None, NULLED),
            ({"type": ["integer", "boolean"]}, "maybe", None, NULLED),
            ({"type": "array", "items": INTEGER}, ["a", "b", 1.5, "1"], [None, None, 1, 1], f"{NULLED} {TRUNCATED}"),
        ],
    )  # fmt: skip
    def test_what_is_lost_is_told(self, schema: Schema, value: Any, due: Any, change: str) -> None:
        assert one(schema, value) == (due, change)

    @pytest.mark.parametrize("price", [NUMBER, {**NUMBER, "airbyte_type": "big_number"}])
    def test_digits_are_kept(self, price: Schema) -> None:
        record = b'{"price":"12345678901234567890.123456789","other":1.10,"big":1e400,"n":"5","text":1.10}'
        schema = {"price": price, "n": INTEGER, "other": NUMBER, "text": STRING}
        (found,), changes = Coercion({"properties": schema})([record])
        assert not changes
        assert found == b'{"price":12345678901234567890.123456789,"other":1.10,"big":1E+400,"n":5,"text":"1.10"}'

    @pytest.mark.parametrize("text", ["1e999999999", "9" * 5000])
    def test_a_number_without_end_is_not_written_out(self, text: str) -> None:
        (record,), changes = coerced({"x": INTEGER}, {"x": text})
        assert record == {"x": None}
        assert changes[0] == [Change("x", NULLED, "SOURCE_FIELD_SIZE_LIMITATION")]


class TestDatesAndTimes:
    @pytest.mark.parametrize(
        ("value", "due"),
        [
            ("2021-03-01 08:00:00", "2021-03-01T08:00:00Z"), ("2021-03-01t08:00:00z", "2021-03-01T08:00:00Z"),
            ("2021-03-01T08:00:00+0230", "2021-03-01T08:00:00+02:30"), ("2021-03-01T08:00Z", "2021-03-01T08:00:00Z"),
            ("2021-03-01T08:00:00 -05", "2021-03-01T08:00:00-05:00"), ("2021-03-01", "2021-03-01T00:00:00Z"),
            ("2021-03-01T08:00:00.123456789", "2021-03-01T08:00:00.123456789Z"), ("20210301", "2021-03-01T00:00:00Z"),
            ("20210301T080000Z", "2021-03-01T08:00:00Z"), ("20210301080000", "2021-03-01T08:00:00Z"),
            ("2021/3/1 8:05", "2021-03-01T08:05:00Z"), ("2021-03-01T24:00:00Z", "2021-03-02T00:00:00Z"),
            ("Mon, 01 Mar 2021 08:00:00 GMT", "2021-03-01T08:00:00Z"), ("1 Mar 2021", "2021-03-01T00:00:00Z"),
            ("March 1, 2021 1:05 pm", "2021-03-01T13:05:00Z"), ("Mar 1, 2021, 12:05 AM", "2021-03-01T00:05:00Z"),
            ("Mon Mar 01 08:00:00 +0000 2021", "2021-03-01T08:00:00+00:00"), (1614585600, "2021-03-01T08:00:00Z"),
            (1614585600000, "2021-03-01T08:00:00Z"), (1614585600000123, "2021-03-01T08:00:00.000123Z"),
            (1614585600.25, "2021-03-01T08:00:00.25Z"), ("1614585600", "2021-03-01T08:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"), (0, "1970-01-01T00:00:00Z"),
            ("/Date(1614585600000)/", "2021-03-01T08:00:00Z"),
            ("2021-03-01T08:00:00UTC", "2021-03-01T08:00:00Z"), ("0999-01-01 00:00:00", "0999-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
        ],
    )  # fmt: skip
    def test_any_form_becomes_rfc_3339(self, value: Any, due: str) -> None:
        assert one(MOMENT, value) == (due, "")

    @pytest.mark.parametrize(
        "value",
        ["", "soon", "03/01/2021", "2021", "2021-02-30", "2021-13-01T00:00:00Z", "0000-00-00 00:00:00", 10**25, True,
         "2021-03-01T25:00:00Z", "2021-03-01T08:00:00+25:00", "2021-03-01T08:00:00EST", [], "2021-03-01 13:00 PM",
         "2021-03-01T24:00:01Z", 1e30],
    )  # fmt: skip
    def test_what_is_no_date_or_may_be_two_becomes_null(self, value: Any) -> None:
        assert one(MOMENT, value) == (None, NULLED)

    @pytest.mark.parametrize(
        ("schema", "value", "due", "change"),
        [
            (LOCAL, "2021-03-01T08:00:00+02:00", "2021-03-01T06:00:00", ""), (LOCAL, 0, "1970-01-01T00:00:00", ""),
            (LOCAL, "2021-03-01 08:00:00.5", "2021-03-01T08:00:00.5", ""), (LOCAL, "x", None, NULLED),
            (LOCAL, "0001-01-01T00:00:00+05:00", None, NULLED), (DATE, "2021-03-01T00:00:00Z", "2021-03-01", ""),
            (DATE, "2021-03-01T08:00:00Z", "2021-03-01", TRUNCATED), (DATE, 20210301, "2021-03-01", ""),
            (DATE, "1/2/2021", None, NULLED), (DATE, "0044-03-15 BC", "0044-03-15 BC", ""),
            (DATE, "2016-12-31T23:59:60Z", "2017-01-01", TRUNCATED), (DATE, {}, None, NULLED),
            (MOMENT, "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", TRUNCATED), (TIME, "8:05", "08:05:00Z", ""),
            (TIME, "1:05:06.7 PM +0200", "13:05:06.7+02:00", ""), (TIME, "25:00", None, NULLED),
            (TIME, "24:00", None, NULLED), (TIME, 5, None, NULLED), (TIME, "08:05:60Z", "08:06:00Z", TRUNCATED),
            (LOCAL_TIME, "08:05", "08:05:00", ""), (LOCAL_TIME, "08:05:00Z", "08:05:00", ""),
            (LOCAL_TIME, "08:05:00+02:00", "08:05:00", TRUNCATED), (TIME, "08:05:00+99:00", None, NULLED),
        ],
    )  # fmt: skip
    def test_of_each_kind(self, schema: Schema, value: Any, due: Any, change: str) -> None:
        assert one(schema, value) == (due, change)


class TestRecordsOnTheWay:
    SCHEMA = {"id": INTEGER, "at": MOMENT, "user": {"type": "object", "properties": {"id": INTEGER, "on": DATE}}}

    @pytest.mark.parametrize(
        "record",
        [
            b'{ "id" : 1 , "at":"2021-03-01T08:00:00.10Z","extra":1.10 }', b"{}", b'{"id":null,"user":null}',
            b'{"at":"2024-02-29T08:00:00-00:30","user":{"on":"2024-02-29","id":-0}}', b'{"x":{"id":"1"}}',
        ],
    )  # fmt: skip
    def test_what_fits_passes_byte_for_byte(self, record: bytes) -> None:
        data = [record, b'{"id":"2"}', record]
        found, changes = Coercion({"properties": self.SCHEMA})(data)
        assert [found[0], found[2]] == [record, record]
        assert found[1] == b'{"id":2}'
        assert not changes

    def test_a_page_that_fits_is_the_very_same(self) -> None:
        data = [msgspec.Raw(b'{"id":1}')] * 3
        assert Coercion({"properties": self.SCHEMA})(data)[0] is data

    def test_unknown_fields_and_the_order_stay(self) -> None:
        (found,), _ = Coercion({"properties": self.SCHEMA})([b'{"z":"1","id":"1","a":{"id":"1"}}'])
        assert found == b'{"z":"1","id":1,"a":{"id":"1"}}'

    def test_changes_are_told_by_their_path_beside_those_before(self) -> None:
        before = {1: [Change("z", NULLED, "SOURCE_RETRIEVAL_ERROR")], 2: [Change("y", NULLED, "X")]}
        data = [b"{}", b'{"user":{"id":"x","on":"2021-03-01T09:00:00Z"}}', b"{}"]
        _, changes = Coercion({"properties": self.SCHEMA})(data, before)
        reason = "SOURCE_SERIALIZATION_ERROR"
        told = [Change("user.id", NULLED, reason), Change("user.on", TRUNCATED, reason)]
        assert changes == {1: [*before[1], *told], 2: before[2]}

    def test_all_records_of_a_page_of_misfits(self) -> None:
        data = [b'{"id":"%d"}' % number for number in range(500)]
        found, _ = Coercion({"properties": self.SCHEMA})(data)
        assert [msgspec.json.decode(record)["id"] for record in found] == list(range(500))

    def test_a_schema_that_says_nothing_does_nothing(self) -> None:
        for schema in ({}, {"properties": {}}, {"properties": {"id": {}}}, {"properties": {"id": True}}):
            data = [b'{"id":"1"}']
            assert Coercion(schema)(data)[0] is data or Coercion(schema)(data)[0] == data

    def test_references_and_allof_are_followed(self) -> None:
        schema = {
            "properties": {"a": {"$ref": "#/definitions/n"}, "b": {"allOf": [{"$ref": "#/definitions/o"}, {}]}},
            "definitions": {"n": INTEGER, "o": {"type": "object", "properties": {"n": {"$ref": "#/definitions/n"},
                            "o": {"$ref": "#/definitions/o"}}}},
        }  # fmt: skip
        (found,), _ = Coercion(schema)([b'{"a":"1","b":{"n":"2","o":{"n":"3"}}}'])
        assert found == b'{"a":1,"b":{"n":2,"o":{"n":"3"}}}'

    @pytest.mark.parametrize("name", ['quo"te', "back\\slash", "new\nline", "", "é", "a.b", "__class__"])
    def test_any_name(self, name: str) -> None:
        found, _ = coerced({name: INTEGER, "b": INTEGER}, {name: "1", "b": "2"}, {name: 1, "b": 2})
        assert found == [{name: 1, "b": 2}] * 2

    @pytest.mark.parametrize(
        "record",
        [b'{"id":"1","t":"\\ud800"}', b'{"id":"1","n":1e999}', b'{"id":"1","n":' + b"9" * 5000 + b"}",
         b'{"id":"1","deep":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"id":"1","id":"2"}'],
    )  # fmt: skip
    def test_odd_values_beside_it_break_nothing(self, record: bytes) -> None:
        (found,), _ = Coercion({"properties": self.SCHEMA})([record])
        assert bytes(found).startswith(b'{"id":')

    def test_the_first_loss_of_a_field_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        coercion = Coercion({"properties": self.SCHEMA}, "orders")
        for _ in range(3):
            coercion([b'{"id":"secret"}'])
        assert len(caplog.records) == 1
        assert "orders" in caplog.text and "id" in caplog.text and "secret" not in caplog.text


# --- in a stream -------------------------------------------------------------------------------------------------


class ShopConfig(Config):
    url: str


class Orders(HttpStream):
    name = "orders"
    path = "orders"
    primary_key = ("id",)
    cursor = Cursor("at", order="ascending")
    coerce = True
    schema = {"properties": {"id": INTEGER, "at": MOMENT, "paid": BOOLEAN}}


class Plain(Orders):
    name = "plain"
    coerce = False


class Shop(HttpSource):
    name = "shop"
    config: ShopConfig
    paginator = LinkHeader()

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[HttpStream]:
        return [Orders(self), Plain(self)]


ROWS = [{"id": "1", "at": "2021-03-01 08:00:00", "paid": "yes"}, {"id": 2, "at": "2021-03-02T08:00:00Z", "paid": "?"}]


def test_a_stream_that_asks_for_it() -> None:
    with Upstream() as api:
        api.on("/orders", json=ROWS)
        result = read(Shop.from_config({"url": api.url}), "orders", "plain").ok()
    assert result.records["plain"] == ROWS
    assert result.records["orders"] == [
        {"id": 1, "at": "2021-03-01T08:00:00Z", "paid": True},
        {"id": 2, "at": "2021-03-02T08:00:00Z", "paid": None},
    ]
    (batch,) = (m for m in result.messages if isinstance(m, Records) and m.stream.name == "orders")
    assert batch.changes == {1: [Change("paid", NULLED, "SOURCE_SERIALIZATION_ERROR")]}


def test_only_what_is_selected_is_coerced_and_told() -> None:
    with Upstream() as api:
        api.on("/orders", json=ROWS)
        source = Shop.from_config({"url": api.url})
        catalog = source.discover().configured(["orders"]).to_json()
        del catalog["streams"][0]["stream"]["json_schema"]["properties"]["paid"]
        from headwater.protocol.catalog import ConfiguredCatalog

        batches = [m for m in source.read(ConfiguredCatalog.from_json(catalog)) if isinstance(m, Records)]
    assert [row["id"] for batch in batches for row in batch.rows()] == [1, 2]
    assert not any(batch.changes for batch in batches)
