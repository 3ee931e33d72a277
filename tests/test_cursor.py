"""Cursor values have one order, whatever they look like."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.cursor import Cursor, earliest, is_ascending, is_before, latest, not_after_now

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)
formats = st.sampled_from([
    lambda m: m.isoformat(), lambda m: m.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
    lambda m: m.isoformat(sep=" "), lambda m: m,
])  # fmt: skip
numbers = st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False)
values = numbers | st.text(max_size=8) | moments.map(lambda m: m.isoformat()) | st.dates().map(str) | st.booleans()


class TestOrder:
    @given(values, values)
    def test_is_total(self, a: Any, b: Any) -> None:
        assert not (is_before(a, b) and is_before(b, a))
        assert not is_before(a, a)

    @given(values, values, values)
    def test_is_transitive(self, a: Any, b: Any, c: Any) -> None:
        if is_before(a, b) and is_before(b, c):
            assert is_before(a, c)

    @given(st.lists(st.none() | values, max_size=8))
    def test_latest_and_earliest(self, given_values: list[Any]) -> None:
        last, first = latest(given_values), earliest(given_values)
        present = [value for value in given_values if value is not None]
        if not present:
            assert last is first is None
            return
        assert not any(is_before(last, value) or is_before(value, first) for value in present)

    @given(st.lists(st.none() | values, max_size=8))
    def test_ascending(self, given_values: list[Any]) -> None:
        present = [value for value in given_values if value is not None]
        backwards = any(is_before(after, before) for before, after in pairwise(present))
        assert is_ascending(given_values) == (not backwards)

    @given(moments, moments, formats, formats)
    def test_of_moments_in_any_form(self, a: datetime, b: datetime, form_a: Any, form_b: Any) -> None:
        assert is_before(form_a(a), form_b(b)) == (a < b)
        assert is_ascending([form_a(min(a, b)), form_b(max(a, b))])

    @given(st.lists(moments, min_size=1), formats)
    def test_of_many_moments_of_one_form(self, many: list[datetime], form: Any) -> None:
        texts = [form(moment) for moment in many]
        found = latest(texts)
        assert not any(is_before(found, text) for text in texts)
        assert is_ascending(sorted(texts, key=lambda text: many[texts.index(text)]))

    @given(numbers, numbers)
    def test_of_numbers(self, a: Any, b: Any) -> None:
        assert is_before(a, b) == (a < b)

    @pytest.mark.parametrize(
        ("before", "after"),
        [(9, 10), (Decimal(9), Decimal(10)), (1.5, 2), ("2024-01-01", "2024-01-01T00:00:01Z"),
         ("2024-01-01T01:00:00+02:00", "2024-01-01T00:00:00Z"), ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z"),
         ("2024-01-01T00:00:00.9Z", "2024-01-01T00:00:01Z"), (date(2024, 1, 1), "2024-01-02"),
         (datetime(2024, 1, 1), "2024-01-01T00:00:01Z"), ("a", "b"), ("abcZ", "abdZ")],
    )  # fmt: skip
    def test_examples(self, before: Any, after: Any) -> None:
        assert is_before(before, after)
        assert not is_before(after, before)
        assert latest([after, before, None]) == after
        assert earliest([after, None, before]) == before


class TestCursor:
    def test_a_dot_leads_into_an_object(self) -> None:
        cursor = Cursor("commit.author.date")
        assert cursor.path == ("commit", "author", "date")
        assert cursor.value_in({"commit": {"author": {"date": 5}}}) == 5
        for record in ({}, {"commit": None}, {"commit": 5}, {"commit": {"author": []}}):
            assert cursor.value_in(record) is None


class TestNotAfterNow:
    def test_moments_are_limited_and_nothing_else(self) -> None:
        limit = not_after_now()
        assert limit("2024-01-01T00:00:00Z") == "2024-01-01T00:00:00Z"
        soon = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        assert is_before(limit(soon), soon)
        assert not is_before(datetime.now(timezone.utc), limit(soon))
        for value in (None, 5, "zebra", 10**12):
            assert limit(value) == value
