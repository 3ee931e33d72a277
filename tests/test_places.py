"""What is known of each partition: the same as a dictionary would hold, in little memory."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headwater.places import Places

NAMES = st.sampled_from(["shop", "a", "#", "é", 'quo"te', "parent id"])
VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-20, 20).map(str),
    st.sampled_from(["007", "-0", "1.5", "", "#1 ", "x,y", '"', "\\", "null", "é€", "12345678901234567890"]),
    st.text(max_size=4),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
)
PARTITIONS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
KNOWN = st.one_of(st.none(), st.sampled_from(["2024-01-01", "2024-01-02", "é\udc80", ""]), st.integers(-5, 5))


def same(partition: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Partitions that are one: a number may be written as text."""
    return frozenset((name, str(value)) for name, value in partition.items())


@given(st.lists(st.tuples(PARTITIONS, KNOWN), max_size=12))
def test_it_holds_what_a_dictionary_would(sets: list[tuple[dict[str, Any], Any]]) -> None:
    places = Places()
    due: dict[Any, tuple[dict[str, Any], Any]] = {}
    for partition, value in sets:
        first, before = due.get(same(partition), (partition, ...))
        assert (partition in places) == (before is not ...)
        assert places.set(partition, value) == (before is ... or before != value)
        due[same(partition)] = first, value
    assert len(places) == len(due)
    for partition, value in due.values():
        assert places.get(partition) == value and type(places.get(partition)) is type(value)
    found = [(partition, value) for partition, value in due.values() if value is not None]
    assert list(map(repr, places.items())) == list(
        map(repr, found)
    )  # spelled as it came, in the order in which it came


@given(st.lists(PARTITIONS, max_size=12))
def test_its_json_says_the_same(partitions: list[dict[str, Any]]) -> None:
    places = Places()
    for number, partition in enumerate(partitions):
        places.set(partition, number or None)
    text = b"".join(places.to_json(lambda value: {"at": value}))
    listed = [{"partition": partition, "cursor": {"at": value}} for partition, value in places.items()]
    assert json.loads(text or b"[]") == json.loads(json.dumps(listed))


def test_numbers_and_their_digits_are_the_same_partition() -> None:
    places = Places()
    places.set({"shop": "7", "n": 1}, "a")
    assert places.get({"n": "1", "shop": 7}) == "a"
    assert not places.set({"n": 1, "shop": 7}, "a")
    places.set({"shop": 8, "n": "1"}, "b")
    assert [partition for partition, _ in places.items()] == [{"shop": "7", "n": 1}, {"shop": 8, "n": "1"}]
