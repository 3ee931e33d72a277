"""What docs/run-in-vdk.md shows is right."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK, ROOT

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from headwater.bridge.vdk.methods import METHODS
from headwater.bridge.vdk.own import OWN
from headwater.bridge.vdk.toml_parser import definitions_from_dict, tomllib

TEXT = (ROOT / "docs" / "run-in-vdk.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def test_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    (text,) = blocks("toml")
    definitions = definitions_from_dict(tomllib.loads(text))
    (flow,) = definitions.flows
    assert flow.streams is not None and set(flow.streams) == {"issues", "releases"}


@pytest.mark.parametrize("text", blocks("python"))
def test_python(text: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile(text, "run-in-vdk.md", "exec"), scope)
    assert callable(scope["run"])


def test_names() -> None:
    for name in re.findall(r"`(headwater\.bridge\.vdk\.\w+)`", TEXT):
        importlib.import_module(name)
    assert all(re.search(rf"^\| `{kind.method}`[^|]* \|", TEXT, re.MULTILINE) for kind in OWN)
    rows = {module: f"{method.rows:,}" for module, method in METHODS.items()}
    wanted = f"{rows['vdk.plugin.sqlite']} | {rows['vdk.plugin.duckdb']} | {rows['vdk.plugin.postgres']} |"
    assert wanted in TEXT
