"""docs/operate.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headwater import cli
from headwater.bridge.flow_file import load_flows

PAGE = Path(__file__).parents[2] / "docs" / "operate.md"


def test_the_example_is_a_flow(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)
    path = tmp_path / "flow.toml"
    path.write_text(example)
    (flow,) = load_flows(path, {"GITHUB_TOKEN": "x"})
    assert flow.name == "hub_db" and flow.config["credentials"] == {"personal_access_token": "x"}
    assert flow.streams is not None and list(flow.streams) == ["issues", "branches"]
    assert flow.state == tmp_path / ".headwater" / "state" / "hub_db.json"


def test_every_option_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options <= set(re.findall(r"--[a-z-]+", PAGE.read_text()))
