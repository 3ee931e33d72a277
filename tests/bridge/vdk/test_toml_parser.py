"""Definitions from TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from headwater.bridge.vdk.definitions import (
    DataFlowMappingDefinition,
    Definitions,
    DestinationDefinition,
    SourceDefinition,
    StreamDefinition,
)
from headwater.bridge.vdk.toml_parser import definitions_from_dict, load_config
from headwater.errors import FlowError

S = SourceDefinition("s", "numbers", {"a": 1})
D = DestinationDefinition("d", "sqlite", "x.db")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "flows.toml"
    file.write_text(
        """
        [sources.s]
        name = "numbers"
        config = { a = 1 }
        [destinations.d]
        method = "sqlite"
        target = "x.db"
        [[flows]]
        from = "s"
        to = "d"
        [[flows]]
        from = "s"
        to = "d"
        sync_mode = "full_refresh"
        mode = "overwrite"
        streams = ["one"]
        [[flows]]
        from = "s"
        to = "d"
        [flows.streams.one]
        columns = ["a"]
        [flows.streams.two]
        [[flows]]
        from = "s"
        to = "d"
        [[flows.streams]]
        name = "one"
        columns = ["a"]
        [[flows.streams]]
        name = "two"
        """
    )
    assert load_config(str(file)) == Definitions(
        {"s": S},
        {"d": D},
        [
            DataFlowMappingDefinition(S, D),
            DataFlowMappingDefinition(S, D, streams=["one"], sync_mode="full_refresh", mode="overwrite"),
            *[
                DataFlowMappingDefinition(
                    S, D, streams={"one": StreamDefinition(columns=["a"]), "two": StreamDefinition()}
                )
            ]
            * 2,
        ],
    )


def test_nothing() -> None:
    assert definitions_from_dict({}) == Definitions({}, {}, [])


FLOW = {"from": "s", "to": "d"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"flows": [{"from": "x", "to": "d"}]}, ["'x'", "s", "[sources.x]"]),
        ({"flows": [{"from": "s", "to": "x"}]}, ["'x'", "d", "[destinations.x]"]),
        ({"flows": [{"from": "s"}]}, ["flow 1", "'to'"]),
        ({"flows": [{**FLOW, "table": "t"}]}, ["'table'", "streams"]),
        ({"flows": [{**FLOW, "mode": "upsert"}]}, ["'upsert'", "append_dedup"]),
        ({"flows": [{**FLOW, "sync_mode": "full"}]}, ["'full'", "full_refresh"]),
        ({"flows": [{**FLOW, "streams": "one"}]}, ["streams"]),
        ({"flows": [{**FLOW, "streams": [{"columns": ["a"]}]}]}, ["streams", "`name`"]),
        ({"flows": [{**FLOW, "streams": ["one", {"name": "one"}]}]}, ["'one'", "named twice"]),
        ({"flows": [{**FLOW, "streams": {"one": {"column": ["a"]}}}]}, ["'one'", "column"]),
        ({"flows": [{**FLOW, "streams": {"one": {"columns": "a"}}}]}, ["'one'", "columns"]),
        ({"sources": {"s": {"config": {}}}}, ["[sources.s]", "'name'"]),
        ({"sources": {"s": {"name": "n", "conf": {}}}}, ["'conf'", "config"]),
        ({"sources": ["s"]}, ["[sources.ID]"]),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, Any], words: list[str]) -> None:
    whole = {"sources": {"s": {"name": "n"}}, "destinations": {"d": {"method": "m"}}, **data}
    with pytest.raises(ValueError) as caught:
        definitions_from_dict(whole)
    assert isinstance(caught.value, FlowError)
    assert all(word in str(caught.value) for word in words), caught.value


def test_urls_start_from_the_file_s_folder_as_on_the_command_line(tmp_path: Path) -> None:
    targets = {
        "sqlite:///out/x.db": f"sqlite:///{tmp_path}/out/x.db",
        "sqlite:////data/x.db": "sqlite:////data/x.db",
        "jsonl:///lines": f"jsonl:///{tmp_path}/lines",
        "postgresql://me@h/db": "postgresql://me@h/db",
        "memory://": "memory://",
        "x.db": "x.db",
    }
    file = tmp_path / "flows.toml"
    file.write_text("".join(f'[destinations.d{at}]\ntarget = "{target}"\n' for at, target in enumerate(targets)))
    file.write_text(f'{file.read_text()}[destinations.theirs]\nmethod = "other"\ntarget = "sqlite:///x.db"\n')
    targets["theirs"] = "sqlite:///x.db"
    assert [one.target for one in load_config(file).destinations.values()] == list(targets.values())


def test_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "flows.toml"
    file.write_text('[[flows]]\nfrom = "s"\nto = "d"\nmodee = "append"\n')
    with pytest.raises(FlowError, match=r"flows.toml: flow 1 has 'modee', which is not known"):
        load_config(file)


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "hunter2")
    data = {
        "sources": {"s": {"name": "n", "config": {"a": [{"b": "x ${TOKEN_OF_TEST}"}], "c": "$${X}", "d": 1}}},
        "destinations": {"d": {"method": "m", "target": "${TOKEN_OF_TEST}.db"}},
    }
    found = definitions_from_dict(data)
    assert found.sources["s"].config == {"a": [{"b": "x hunter2"}], "c": "${X}", "d": 1}
    assert found.destinations["d"].target == "hunter2.db"
    monkeypatch.delenv("TOKEN_OF_TEST")
    with pytest.raises(ValueError, match=r"\[sources\.s\], config, a, b.*'TOKEN_OF_TEST'"):
        definitions_from_dict(data)


def test_keys_and_cursors_are_paths() -> None:
    stream = StreamDefinition(primary_key=["a", ["b", "c"]], cursor_field="d")
    assert stream.key_paths == (("a",), ("b", "c"))
    assert stream.cursor_path == ("d",)
    assert StreamDefinition().key_paths is StreamDefinition().cursor_path is None


def test_a_file_that_is_missing_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[sources")
    with pytest.raises(ValueError, match=r"bad\.toml"):
        load_config(tmp_path / "bad.toml")


def test_settings_are_not_shown() -> None:
    assert "hunter2" not in repr(SourceDefinition("s", "n", {"password": "hunter2"}))
