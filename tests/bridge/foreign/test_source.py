"""A foreign source: its four commands, what its connector is given, fields, transforms, secrets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from headwater.bridge.foreign import CommandSource, ForeignSource
from headwater.bridge.foreign.talk import secrets_by_name
from headwater.bridge.runners import CommandRunner
from headwater.errors import ConfigError, ForeignError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Records, State, StreamDescriptor
from tests.bridge.foreign.landed import CONFIG, NASTY, Landed, leaves_nothing, nasty

__all__ = ["leaves_nothing"]
pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_spec_check_and_discover() -> None:
    source = nasty("well")
    assert source.spec().raw["new"] == 1
    source.check()
    catalog = source.discover()
    assert [stream.name for stream in catalog.streams] == ["a", "b"]
    assert catalog.streams[0].extra == {"new": 2}


def test_check_says_no_in_the_connector_s_words() -> None:
    with pytest.raises(ConfigError, match=r"not with \*\*\*\*"):
        nasty("refused").check()


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
@pytest.mark.parametrize(
    ("way", "kind", "words"),
    [
        ("nothing", ForeignError, "ended with exit code 0 and did not tell"),
        ("fail", ForeignError, r"exit code 2 and did not tell .* CRITICAL no \*\*\*\* here"),
        ("told_error", ConfigError, r"The token \*\*\*\* is wrong"),
    ],
)
def test_no_answer(command: str, way: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        getattr(nasty(way), command)()


def test_a_hanging_check() -> None:
    with pytest.raises(ForeignError, match="wrote nothing for 2 seconds"):
        nasty("hang", silence=2).check()


def test_a_catalog_that_is_wrong() -> None:
    with pytest.raises(ForeignError, match=r"offers something wrong: .*no name"):
        nasty("bad_catalog").discover()


# --- what the connector is given ---------------------------------------------------------------------------------


def test_config_catalog_and_state_are_files_and_nothing_else() -> None:
    start = [
        State({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"at": 1}}, "id": 5})
    ]
    landed = Landed(nasty("files"), start=start)
    (row,) = landed.sink.rows["a"]
    assert row["given"]["--config"] == CONFIG
    assert row["given"]["--state"] == [state.raw for state in start]
    (stream,) = row["given"]["--catalog"]["streams"]
    assert (stream["generation_id"], stream["minimum_generation_id"], stream["sync_mode"]) == (0, 0, "incremental")
    assert "s3cret" not in str(row["argv"]) + str(row["environ"])


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ({"type": "LEGACY", "data": {"at": 1}, "id": 2}, {"at": 1}),
        ({"data": {"at": 1}}, {"at": 1}),
        ({"type": "GLOBAL", "global": {"shared_state": {"at": 1}, "stream_states": [], "new": 1}, "id": 2}, None),
    ],
)
def test_states_of_every_type_are_given_back(state: Any, given: Any) -> None:
    landed = Landed(nasty("files"), start=[State(state)])
    assert landed.sink.rows["a"][0]["given"]["--state"] == (given or [state])


def test_without_states_there_is_no_state_file() -> None:
    assert "--state" not in Landed(nasty("files")).sink.rows["a"][0]["argv"]


def test_fields_that_are_not_selected_do_not_arrive() -> None:
    source = nasty("separators")
    stream = source.discover().configured(["a"]).streams[0]
    every = [m for m in source.read(ConfiguredCatalog((stream,))) if isinstance(m, Records)]
    assert "text" in every[-1].rows()[-1]
    some = ConfiguredCatalog((stream.with_columns(["id"]),))
    read = [m for m in source.read(some) if isinstance(m, Records)]
    assert [row for m in read for row in m.rows()] == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]


def test_a_class_with_a_transform() -> None:
    class Shop(CommandSource):
        command = [sys.executable, str(NASTY), "well"]

        def transform(self, stream: StreamDescriptor, record: dict[str, Any]) -> dict[str, Any] | None:
            return None if record["id"] == 2 else {**record, "shop": str(stream)}

    landed = Landed(Shop.from_config(CONFIG))
    assert landed.error is None
    assert landed.sink.rows["a"] == [{"id": 1, "shop": "a"}, {"id": 3, "shop": "a"}]


def test_a_source_without_a_runner() -> None:
    with pytest.raises(ConfigError, match="give it a runner"):
        ForeignSource({}).check()


def test_an_unknown_protocol() -> None:
    source: Callable[[], Any] = ForeignSource({}, runner=CommandRunner("true"), protocol="smoke").check
    with pytest.raises(ConfigError, match="'smoke' is not known"):
        source()


def test_what_counts_as_a_secret_for_want_of_a_spec() -> None:
    config = {
        "access_token": "aaaa",
        "options": [{"ApiKey": {"x": "bbbb"}}, {"primary_keys": ["project_id"], "author": "somebody"}],
        "url": "postgres://me:cccc@host/db",
        "password": "abc",
        "port_key": 1234,
    }
    assert list(secrets_by_name(config)) == ["aaaa", "bbbb", "cccc"]
