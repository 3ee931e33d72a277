"""Timestamps in the forms that APIs have: read, compared, written again, and never later than they were."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import ConfigError, SourceError
from headwater.cursor import Cursor, earliest, is_ascending, is_before, latest, not_after_now

UTC = timezone.utc
seconds = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
FORMS = ["%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S %z", "epoch", "epoch_ms", "epoch_us"]
forms = st.sampled_from(FORMS)


class TestFormats:
    @given(seconds, seconds, forms, forms)
    def test_compare_as_the_time_that_they_mean(self, a: datetime, b: datetime, first: str, second: str) -> None:
        cursor = Cursor("at", format=(first, second) if first < second else first)
        one, other = cursor.written(a), cursor.written(b)
        assert is_before(one, other, cursor.key) == (a < b)
        assert cursor.moment(one) == a
        assert cursor.moment(latest([one, None, other], cursor.key)) == max(a, b)
        assert cursor.moment(earliest([one, other], cursor.key)) == min(a, b)
        assert is_ascending([one, other], cursor.key) == (a <= b)

    @given(seconds, st.integers(-14, 14), forms)
    def test_a_state_in_another_form_begins_at_the_same_time(self, at: datetime, hours: int, form: str) -> None:
        """As Airbyte's connectors and start dates have it."""
        cursor = Cursor("at", format=form)
        for known in (at.isoformat(), at.astimezone(timezone(timedelta(hours=hours))).isoformat(), at):
            begin = cursor.begin(known, None)
            assert begin == cursor.written(at)
            assert cursor.begin(None, known) == begin

    def test_several_are_read_and_the_first_is_written(self) -> None:
        cursor = Cursor("at", format=("%d.%m.%Y", "%Y%m%d", "epoch"))
        assert cursor.begin("20240501", None) == "01.05.2024"
        assert cursor.begin(1714521600, "30.04.2024") == "01.05.2024"
        assert latest(["01.05.2024", "20240502", 1714521600], cursor.key) == "20240502"

    def test_numbers_stay_what_they_are(self) -> None:
        assert Cursor("at", format="epoch").begin("1714521600.000200", None) == "1714521600.000200"
        assert Cursor("at", format="epoch").begin(1714521600, "2020-01-01") == 1714521600
        assert Cursor("at", format="epoch", lookback=timedelta(minutes=1)).begin("1714521600", None) == "1714521540"
        assert Cursor("id", lookback=100).begin(500, None) == 400
        assert Cursor("id", lookback=100).begin(500, 450) == 450

    def test_what_is_none_of_them_has_no_place(self) -> None:
        cursor = Cursor("at", format="%d.%m.%Y")
        assert latest(["zzz", "01.05.2024", True], cursor.key) == "01.05.2024"
        assert not is_before("zzz", "01.05.2024", cursor.key)
        assert not is_before("01.05.2024", "zzz", cursor.key)
        with pytest.raises(ConfigError, match=r"the state's value of 'at', 'zzz', is neither '%d.%m.%Y' nor ISO"):
            cursor.begin("zzz", None)

    @pytest.mark.parametrize("value", ["1e999999", "1e30", "NaN", "Infinity", 1e300])
    def test_a_number_that_is_no_time_has_no_place(self, value: Any) -> None:
        assert latest([value, 1714521600], Cursor("at", format="epoch").key) == 1714521600

    @pytest.mark.parametrize("lookback", [timedelta(days=1), 5])
    def test_a_lookback_that_does_not_fit(self, lookback: Any) -> None:
        with pytest.raises(ConfigError, match="'zebra' of 'at' is no"):
            Cursor("at", lookback=lookback).begin("zebra", None)

    def test_the_limit_of_a_read_is_in_the_api_s_form(self) -> None:
        cursor = Cursor("at", format="epoch_ms")
        soon = cursor.written(datetime.now(UTC) + timedelta(days=1))
        assert isinstance(not_after_now(cursor)(soon), int)
        assert is_before(not_after_now(cursor)(soon), soon, cursor.key)


class TestZones:
    berlin = Cursor("at", zone="Europe/Berlin")

    def test_times_without_an_offset_are_in_it(self) -> None:
        assert is_before("2024-07-01T01:59:59", "2024-07-01T00:00:00Z", self.berlin.key)
        assert not is_before("2024-07-01T02:00:00", "2024-07-01T00:00:00Z", self.berlin.key)
        assert not is_before("2024-07-01T00:00:00", "2024-07-01T00:00:00Z", Cursor("at").key)

    def test_an_hour_that_comes_twice_is_read_from_before_it(self) -> None:
        """02:30 on that night was once at 00:30 UTC and once at 01:30."""
        assert self.berlin.begin("2024-10-27T02:59:59", None) == "2024-10-27T01:59:59"
        assert self.berlin.begin("2024-10-27T03:00:00", None) == "2024-10-27T03:00:00"
        assert self.berlin.begin("2024-03-31T03:00:00", None) == "2024-03-31T03:00:00"

    def test_an_unknown_one_is_named(self) -> None:
        with pytest.raises(SourceError, match="no time zone 'Europe/Atlantis'"):
            Cursor("at", zone="Europe/Atlantis").key("2024-01-01T00:00:00")


LIKE = ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00",
        "2024-01-01T00:00:00.000000+02:00", "2024-01-01T00:00:00-0330"]  # fmt: skip


class TestWritten:
    @given(st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)), st.sampled_from(LIKE))
    def test_is_the_same_time_or_a_little_before(self, at: datetime, like: str) -> None:
        cursor = Cursor("at")
        text = cursor.written(at, like)
        found = cursor.moment(text)
        assert found is not None
        assert timedelta(0) <= at - found < timedelta(seconds=1)
        assert len(like) == 10 or len(text) in (len(like), len(like) + 1)

    @pytest.mark.parametrize(
        ("like", "text"),
        zip(LIKE, ["2024-03-01T12:30:15Z", "2024-03-01T12:30:15Z", "2024-03-01T12:30:15.123Z", "2024-03-01 12:30:15",
                   "2024-03-01T14:30:15.123456+02:00", "2024-03-01T09:00:15-03:30"], strict=True),
    )  # fmt: skip
    def test_examples(self, like: str, text: str) -> None:
        assert Cursor("at").written(datetime(2024, 3, 1, 12, 30, 15, 123456, UTC), like) == text

    def test_a_date_stays_one(self) -> None:
        assert Cursor("at", lookback=timedelta(days=2)).begin("2024-03-01", None) == "2024-02-28"
        assert Cursor("at").begin(date(2024, 3, 1), None) == "2024-03-01"


class TestWindows:
    @given(
        start=seconds,
        days=st.integers(1, 40),
        span=st.timedeltas(timedelta(0), timedelta(days=400)),
        form=st.none() | forms | st.just("%Y-%m-%d"),
        zone=st.none() | st.sampled_from(["Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
    )
    def test_have_no_gap_and_come_to_an_end(
        self, start: datetime, days: int, span: timedelta, form: str | None, zone: str | None
    ) -> None:
        cursor = Cursor("at", format=form, zone=zone, window=timedelta(days=days))
        found = list(cursor.windows(cursor.written(start), start + span))
        assert found[0][0] == cursor.written(start)
        assert found[-1][1] is None
        for (begin, end), (following, _) in itertools.pairwise(found):
            assert end == following
            assert is_before(begin, end, cursor.key)
        assert abs(len(found) - 1 - span // timedelta(days=days)) <= 1  # a start in a coarse form may be earlier
        assert (cursor.moment(found[-1][0]) or start) <= start + span

    def test_shorter_than_what_the_form_tells_apart(self) -> None:
        cursor = Cursor("at", format="%Y-%m-%d", window=timedelta(hours=9))
        found = list(cursor.windows("2024-01-01", datetime(2024, 1, 3, 12, tzinfo=UTC)))
        assert found == [("2024-01-01", "2024-01-02"), ("2024-01-02", "2024-01-03"), ("2024-01-03", None)]

    def test_of_days_through_both_changes_of_the_clocks(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        cursor = Cursor("at", zone="Europe/Berlin", window=timedelta(days=1))
        found = list(cursor.windows("2024-10-26T00:00:00", datetime(2024, 10, 29, 12, tzinfo=zone)))
        assert [start for start, _ in found] == [
            "2024-10-26T00:00:00", "2024-10-27T00:00:00", "2024-10-27T23:00:00", "2024-10-28T23:00:00",
        ]  # fmt: skip

    def test_without_a_start_there_is_one(self) -> None:
        for start in (None, "zebra", 5):
            assert list(Cursor("at", window=timedelta(days=1)).windows(start)) == [(start, None)]

    def test_of_no_time_are_refused(self) -> None:
        with pytest.raises(ValueError, match="longer than nothing"):
            Cursor("at", window=timedelta(0))
