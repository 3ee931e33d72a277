"""Connectors by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from headwater import ConfigError, Source, SourceError, registry


def install(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    """Pretend that distributions declare these entry points."""
    found = [EntryPoint(name, value, registry.GROUP) for name, value in entries]
    monkeypatch.setattr(registry, "entry_points", lambda group: [e for e in found if e.group == group])


@pytest.mark.parametrize("name", ["acme", "source-acme"])
def test_a_connector_is_found_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install(monkeypatch, ("acme", "headwater.source:Source"), ("other", "nowhere:Nothing"))
    assert registry.find(name) is Source
    assert registry.names() == ["acme", "other"]


def test_one_that_is_installed_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", "headwater.source:Source"), ("acme", "headwater.source:Source"))
    assert registry.find("acme") is Source
    assert registry.names() == ["acme"]


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", "a:A"), ("acme", "b:B"))
    with pytest.raises(ConfigError, match=r"Two connectors are named 'acme': a:A .* b:B"):
        registry.find("acme")


def test_one_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", "a:A"))
    with pytest.raises(ConfigError, match=r"No connector 'acne' is installed\. Installed: acme"):
        registry.find("acne")


@pytest.mark.parametrize("value", ["nowhere:Nothing", "headwater.source:Nothing", "headwater.source", "json:dumps"])
def test_one_that_can_not_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    install(monkeypatch, ("acme", value))
    with pytest.raises(SourceError, match="Connector 'acme'"):
        registry.find("acme")


def test_the_github_connector_is_installed() -> None:
    assert registry.find("github").name == "github"
