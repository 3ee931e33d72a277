"""What the state of a stream says: all forms are read, and nothing is forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.cursor import is_before
from headwater.errors import ConfigError
from headwater.protocol.messages import StreamDescriptor
from headwater.protocol.values import encode
from headwater.state import NO_CURSOR, StreamState, stream_states

names = st.sampled_from(["repository", "org", "x"])
scalar = st.text(max_size=5) | st.integers(0, 99)
partitions = st.dictionaries(names, scalar, min_size=1, max_size=2)
cursors = st.integers(0, 10**6) | st.text(min_size=1, max_size=5)


def put(state: StreamState, partition: dict[str, Any], value: Any) -> None:
    """A partition is read up to this value."""
    place, _ = state.expect(partition)
    state.set(place, value)


def again(state: StreamState, cursor: str = "at") -> StreamState:
    """As it comes back from the platform."""
    return StreamState(cursor, json.loads(encode(state.to_json())))


class TestRoundTrip:
    @given(st.lists(st.tuples(partitions, cursors), max_size=6), st.none() | cursors)
    def test_each_partition_keeps_its_value(self, sets: list[tuple[dict[str, Any], Any]], everywhere: Any) -> None:
        state = StreamState("at", None)
        put(state, {}, everywhere)
        for partition, value in sets:
            put(state, partition, value)
        back = again(state)
        for partition, _ in sets:
            assert back.get(partition) == state.get(partition)
        assert back.get({"repository": "unseen"}) == state.get({"repository": "unseen"}) == everywhere
        assert back.to_json() == state.to_json()
        assert state.to_json()
        pieces = state.to_pieces()
        assert json.loads(b"".join(pieces)) == state.to_json() if pieces else "states" not in state.to_json()

    def test_of_nothing(self) -> None:
        state = StreamState("at", None)
        assert state.to_json() == NO_CURSOR
        assert again(state).get({}) is None

    @pytest.mark.parametrize("left", [{"full_refresh": {"at": 5}}, {"next_page": {"page": 5}}])
    def test_what_a_full_refresh_left_is_forgotten(self, left: dict[str, Any]) -> None:
        """Else the next full refresh would begin there, however long ago it was."""
        state = StreamState("at", left)
        assert state.is_empty and state.get({}) is None
        put(state, {}, 7)
        assert state.to_json() == {"at": 7}

    @given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["at", "states", "state", "cursor", "partition", "a"]), inner),
        max_leaves=12,
    ).filter(lambda blob: isinstance(blob, dict)))  # fmt: skip
    def test_any_blob_is_read_or_refused(self, blob: Any) -> None:
        try:
            state = StreamState("at", blob)
            found = [state.get(partition) for partition in ({}, {"repository": "a"}, {"repository": "at"})]
        except ConfigError as error:
            assert "state" in error.message
            return
        assert not any(is_before(known, known) for known in found if known is not None)
        put(state, {"repository": "b"}, 5)
        assert again(state).get({"repository": "b"}) == 5


class TestAirbytes:
    """What the same positions look like in the forms that Airbyte's connectors have written."""

    positions = st.dictionaries(st.sampled_from(["octo/a", "octo/b", "7", "x y"]), st.dates().map(str), min_size=1)

    @given(positions, st.sampled_from(["states", "nested", "renamed", "legacy", "global"]))
    def test_mean_the_same(self, known: dict[str, str], form: str) -> None:
        entries = [{"partition": {"repository": name}, "cursor": {"at": at}} for name, at in known.items()]
        blob: dict[str, Any]
        if form == "states":
            blob = {"states": entries, "use_global_cursor": False, "state": {"at": max(known.values())}}
        elif form == "nested":
            for entry in entries:
                entry["partition"]["parent_slice"] = {}
            blob = {"states": entries, "parent_state": {}, "lookback_window": 5}
        elif form == "renamed":
            blob = {"states": [{**entry, "partition": {"repo": entry["partition"]["repository"]}} for entry in entries]}
        elif form == "legacy":
            blob = {name: {"at": at} for name, at in known.items()}
        else:
            known = dict.fromkeys(known, max(known.values()))
            blob = {"state": {"at": max(known.values())}, "use_global_cursor": True}
        state = StreamState("at", blob)
        for name, at in known.items():
            assert state.expect({"repository": name})[1] == at
        back = again(state)
        for name, at in known.items():
            assert back.expect({"repository": name})[1] == at
        if form != "global":
            assert state.expect({"repository": "octo/new"})[1] is None


class TestForms:
    """Those of this SDK, of the airbyte-cdk's versions and of older connectors."""

    def test_of_the_whole_stream(self) -> None:
        state = StreamState("at", {"at": "2024"})
        assert state.get({}) == state.get({"repository": "a"}) == "2024"

    def test_of_partitions(self) -> None:
        state = StreamState("at", {"states": [{"partition": {"repository": "a"}, "cursor": {"at": "1"}}]})
        assert (state.get({"repository": "a"}), state.get({"repository": "b"})) == ("1", None)

    def test_of_partitions_with_parents(self) -> None:
        entry = {"partition": {"id": 5, "parent_slice": {"org": "o", "parent_slice": {}}}, "cursor": {"at": "1"}}
        assert StreamState("at", {"states": [entry]}).get({"org": "o", "id": "5"}) == "1"

    def test_with_a_global_cursor(self) -> None:
        blob = {
            "use_global_cursor": True, "state": {"at": "2024-01-05"}, "lookback_window": 86400,
            "parent_state": {"p": {"at": "9"}},
            "states": [{"partition": {"repository": "a"}, "cursor": {"at": "2024-01-07"}}],
        }  # fmt: skip
        state = StreamState("at", blob)
        assert (state.get({"repository": "a"}), state.get({"repository": "b"})) == ("2024-01-07", "2024-01-04")
        assert again(state).get({"repository": "b"}) == "2024-01-04"  # taken off once

    @pytest.mark.parametrize(("value", "start"), [(50, 40), ("zebra", None), (None, None)])
    def test_a_global_cursor_that_is_no_timestamp(self, value: Any, start: Any) -> None:
        blob = {"state": {"at": value}, "lookback_window": 10}
        assert StreamState("at", blob).get({"repository": "a"}) == start

    @pytest.mark.parametrize(
        ("slices", "start"),
        [
            ([{"start": "2024-01-01T00:00:00Z", "end": "2024-01-03T00:00:00Z"}], "2024-01-01T00:00:00Z"),
            ([{"start": 0, "end": 10, "most_recent_cursor_value": 9}, {"start": 20, "end": 30}], 9),
            ([{"start": 20, "end": 30, "most_recent_cursor_value": 29}, {"start": 0, "end": 10}], 0),
            ([], None),
            ([{"begin": 0}], None),
        ],
    )
    def test_intervals_of_the_airbyte_cdk(self, slices: Any, start: Any) -> None:
        assert StreamState("at", {"state_type": "date-range", "slices": slices}).get({}) == start

    def test_partitions_that_have_other_names(self) -> None:
        entries = [
            {"partition": {"shop_id": shop, "parent_slice": {"region": "eu"}}, "cursor": {"at": str(shop)}}
            for shop in (1, 2)
        ]
        state = StreamState("at", {"states": entries})
        assert state.expect({"region": "eu", "shops_id": 2})[1] == "2"
        assert state.expect({"region": "eu", "shops_id": 3})[1] is None
        assert state.expect({"region": "us", "shops_id": 1})[1] is None
        found = [entry["partition"] for entry in state.to_json()["states"]]
        assert found == [{"region": "eu", "shop_id": 1}, {"region": "eu", "shops_id": 2}]

    def test_partitions_whose_values_only_look_alike(self) -> None:
        entries = [{"partition": {"a": 1, "b": 2}, "cursor": {"at": "1"}}]
        assert StreamState("at", {"states": entries}).expect({"a": 2, "b": 1})[1] is None
        entries += [{"partition": {"b": 1, "c": 2}, "cursor": {"at": "2"}}]
        assert StreamState("at", {"states": entries}).expect({"x": 2, "y": 1})[1] is None

    @pytest.mark.parametrize("written", [5, "5", -5, "-5", 0, "0", "05", True, 1.5])
    def test_a_partition_is_kept_as_it_was_spelled(self, written: Any) -> None:
        blob = {"states": [{"partition": {"b": 1, "id": written}, "cursor": {"at": "1"}}]}
        state = StreamState("at", blob)
        assert state.get({"id": str(written), "b": "1"}) == "1"
        assert state.to_json() == blob
        assert json.loads(b"".join(state.to_pieces() or ())) == blob

    @pytest.mark.parametrize("name", ["z", "\ud800"])
    def test_partitions_with_their_names_in_another_order(self, name: str) -> None:
        state = StreamState("at", None)
        for partition in ({name: 1, "a": 2}, {"a": 1, name: 2}, {name: "1", "a": 3}, {"a": "x"}):
            put(state, partition, "1")
        clean = name.replace("\ud800", "\ufffd")
        found = [list(entry["partition"].items()) for entry in state.to_json()["states"]]
        assert found == [[(clean, 1), ("a", 2)], [("a", 1), (clean, 2)], [(clean, "1"), ("a", 3)], [("a", "x")]]
        assert json.loads(b"".join(state.to_pieces() or ())) == state.to_json()

    def test_a_partition_is_not_read_from_a_global_cursor_that_is_not_used(self) -> None:
        blob = {
            "use_global_cursor": False, "state": {"at": "5"},
            "states": [{"partition": {"repository": "a"}, "cursor": {"at": "7"}}],
        }  # fmt: skip
        assert StreamState("at", blob).get({"repository": "b"}) is None

    def test_older_ones_by_the_partition_s_value(self) -> None:
        state = StreamState("at", {"octo/alpha": {"at": "1"}, "octo/beta": {"at": "2"}})
        assert state.get({"repository": "octo/beta"}) == "2"
        assert state.get({"repository": "octo/gamma"}) is None

    def test_older_ones_of_two_levels(self) -> None:
        state = StreamState("at", {"octo/alpha": {"5": {"at": "1"}}})
        assert state.get({"repository": "octo/alpha", "project": 5}) == "1"

    def test_older_ones_stay_until_they_are_read(self) -> None:
        state = StreamState("at", {"octo/alpha": {"at": "1"}, "octo/beta": {"at": "2"}})
        put(state, {"repository": "octo/alpha"}, "3")
        back = again(state)
        assert back.get({"repository": "octo/alpha"}) == "3"
        assert back.get({"repository": "octo/beta"}) == "2"

    @pytest.mark.parametrize(
        "blob",
        [{}, {"__ab_no_cursor_state_message": True}, {"__ab_full_refresh_sync_complete": True}, {"other": 1},
         {"at": None}, {"states": None}, {"states": {}}],
    )  # fmt: skip
    def test_nothing_known(self, blob: Any) -> None:
        assert StreamState("at", blob).get({"repository": "a"}) is None

    @pytest.mark.parametrize(
        "blob",
        [{"at": [1]}, {"states": [{"partition": {"a": 1}, "cursor": {"at": {"x": 1}}}]},
         {"states": [{"partition": "a", "cursor": {"at": 1}}]}, {"state": {"at": [1]}}, {"a": {"at": [1]}},
         {"states": ["a"]}, {"states": "a"}, {"states": {"a": 1}}, {"states": [{"partition": {}, "cursor": "2024"}]},
         {"a": "2024-01-01"}, {"a": ["2024"]}, {"state_type": "date-range", "slices": "x"},
         {"state_type": "date-range", "slices": ["x"]}, {"state": {"at": "2024-01-01"}, "lookback_window": "1"},
         {"states": [{"partition": {"a": 1}, "cursor": {}}], "state": "x"}],
    )  # fmt: skip
    def test_a_wrong_shape_is_refused_by_the_stream_s_name(self, blob: Any) -> None:
        with pytest.raises(ConfigError, match=r"state of stream 'issues': .*Correct it") as refused:
            StreamState("at", blob, "issues").get({"repository": "a"})
        assert refused.value.stream == "issues"


class TestStreamStates:
    def states(self, *raw: Any) -> dict[StreamDescriptor, Any]:
        from headwater.process.arguments import states_from_json

        return dict(stream_states(states_from_json(list(raw))))

    def test_by_name_and_namespace(self) -> None:
        entries = [
            {"stream_descriptor": {"name": "s", "namespace": namespace}, "stream_state": {"n": namespace}}
            for namespace in (None, "", "public")
        ]
        found = self.states(*({"type": "STREAM", "stream": entry} for entry in entries))
        assert found == {StreamDescriptor("s"): {"n": ""}, StreamDescriptor("s", "public"): {"n": "public"}}

    def test_global(self) -> None:
        entries = [{"stream_descriptor": {"name": "s"}, "stream_state": {"at": 1}}]
        raw = {"type": "GLOBAL", "global": {"shared_state": {"x": 1}, "stream_states": entries}}
        assert self.states(raw) == {StreamDescriptor("s"): {"at": 1}}

    def test_legacy(self) -> None:
        assert self.states({"data": {"s": {"at": 1}}}) == {StreamDescriptor("s"): {"at": 1}}

    def test_null_is_none(self) -> None:
        raw = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": None}}
        assert self.states(raw) == {StreamDescriptor("s"): {}}
