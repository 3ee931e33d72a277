"""The benchmark itself: its records are what they should be, and a read that is not whole is found out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import pipes, records, rooms, works
from .process import Api, Failed
from .verify import count
from .works import Work

_STATUS = {"type": "STREAM_STATUS", "emitted_at": 0}


def parsed(first: int, size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(records.page(first, size))
    return found


def lines(ids: Iterator[int] | list[int], status: str = "COMPLETE") -> list[bytes]:
    made: list[dict[str, Any]] = [{"type": "RECORD", "record": {"data": {"id": number}}} for number in ids]
    made.append({"type": "STATE", "state": {"stream": {"stream_state": {"updated_at": "x"}}}})
    made.append({"type": "TRACE", "trace": {**_STATUS, "stream_status": {"status": status}}})
    return [json.dumps(message).encode() + b"\n" for message in made]


class TestRecords:
    def test_each_is_another_one(self) -> None:
        ids = [record["id"] for first in (0, 1000, 199_000, 999_000) for record in parsed(first, 1000)]
        assert len(set(ids)) == 4000

    def test_a_page_does_not_depend_on_how_it_is_cut(self) -> None:
        assert parsed(1500, 700) == [*parsed(1500, 500), *parsed(2000, 200)]

    def test_they_ascend_by_the_cursor(self) -> None:
        values = [record["updated_at"] for record in parsed(1990, 30)]
        assert values == sorted(values) == [records.updated_at(number) for number in range(1990, 2020)]

    def test_they_have_the_fields_of_the_schema_and_half_a_kilobyte(self) -> None:
        path = Path(rooms.__file__).parent / "connectors" / "items.json"
        assert set(parsed(7, 1)[0]) == set(json.loads(path.read_text())["properties"])
        assert 450 < len(records.page(0, 1000)) / 1000 < 550

    @pytest.mark.parametrize("number", [0, 1, 17, 999, 1000, 123_456])
    def test_since_begins_with_the_first_record_of_its_second(self, number: int) -> None:
        first = records.first_since(records.updated_at(number))
        assert first <= number and records.updated_at(first) == records.updated_at(number)
        assert first == 0 or records.updated_at(first - 1) < records.updated_at(first)


class TestCount:
    def test_a_record_given_twice_is_seen(self) -> None:
        assert (count(lines([1, 2, 2]))["records"], count(lines([1, 2, 2]))["distinct"]) == (3, 2)

    def test_the_order_does_not_matter_and_the_content_does(self) -> None:
        assert count(lines([1, 2]))["checksum"] == count(lines([2, 1]))["checksum"]
        assert count(lines([1, 2]))["checksum"] != count(lines([1, 3]))["checksum"]


class TestRead:
    WORKS = (
        Work("all", "items", 2500), Work("changes", "changes", 2500), Work("tagged", "tagged", 1500),
        Work("coerced", "coerced", 1500), Work("quoted", "quoted", 1500),
        Work("members", "members", 60, 2, settings=(("parts", 30),)),
        Work("member changes", "member_changes", 60, 2, settings=(("parts", 30),)),
    )  # fmt: skip

    @pytest.mark.parametrize("work", WORKS, ids=lambda work: work.title)
    def test_ours_gives_every_record_once(self, work: Work, tmp_path: Path) -> None:
        with Api() as url:
            assert work.verify(rooms.ours(), url, tmp_path)["records"] == work.records

    @pytest.mark.parametrize(
        ("ids", "status"), [([1, 2], "COMPLETE"), ([1, 2, 2], "COMPLETE"), ([1, 2, 3], "INCOMPLETE")]
    )
    def test_what_is_not_whole_fails(
        self, ids: list[int], status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(works, "output_of", lambda command: count(lines(ids, status)))
        with pytest.raises(Failed, match=r"(was|were) due"):
            Work("three", "items", 3).verify(rooms.ours(), "http://localhost:1", tmp_path)


class TestPipes:
    @pytest.mark.parametrize("protocol", pipes.OURS)
    def test_all_records_and_the_last_state_arrive(self, protocol: str) -> None:
        command = [sys.executable, str(Path(pipes.__file__).parent / "connectors" / "canned_ours.py"), protocol]
        found = pipes.run_reader([*command, "20000"], 20_000)
        assert found["states"] == [{"at": 1}]
        assert 0 < found["cpu"] < 60
        with pytest.raises(Failed, match="gave 10000 of 20000"):
            pipes.run_reader([*command, "10000"], 20_000)
