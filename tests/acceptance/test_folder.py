"""A connector's folder: its command, and the checks of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.checks import load
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.rooms import folder_room
from headwater.acceptance.running import in_folder
from headwater.acceptance.suite import chosen, run
from headwater.cli import main
from headwater.errors import ConfigError
from tests.acceptance.suite import CONFIG, RUN, write

METADATA: dict[str, Any] = {
    "name": "Gallery", "definitionId": "5a1f0f0a-6c0e-4b52-9c35-7f1f4f0a8d16", "connectorType": "source",
    "connectorSubtype": "api", "dockerRepository": "test/source-gallery", "dockerImageTag": "1.2.3",
    "license": "MIT", "documentationUrl": "https://docs.test", "githubIssueLabel": "source-gallery",
    "releaseStage": "custom", "allowedHosts": {"hosts": ["api.test"]}, "suggestedStreams": {"streams": ["users"]},
    "icon": "icon.svg", "releases": {"breakingChanges": {"1.0.0": {"message": "m", "upgradeDeadline": "2024-01-01"}}},
}  # fmt: skip
PROJECT = '[project]\nname = "source-gallery"\nversion = "1.2.3"\nlicense = "MIT"\n'


def folder(path: Path, **changes: Any) -> Path:
    """A whole connector's folder, with changes to its metadata; None takes one away."""
    data = {name: value for name, value in {**METADATA, **changes}.items() if value is not None}
    write(path / "metadata.yaml", {"metadataSpecVersion": "1.0", "data": data})
    (path / "pyproject.toml").write_text(PROJECT)
    (path / "README.md").write_text("# Gallery\n\n## Changelog\n\n- 1.2.3: begun\n")
    (path / "icon.svg").write_text("<svg/>")
    (path / "main.py").write_text(
        f"import runpy, sys\nsys.argv[1:1] = ['correct']\nrunpy.run_path({str(RUN)!r}, run_name='__main__')\n"
    )
    write(path / "acceptance-test-config.yml", {"acceptance_tests": {"spec": {"tests": [{}]}}})
    return path


def report(path: Path) -> Report:
    connector = Connector(folder_room(path), _settings(path), path)
    return run(connector, chosen(["H"]))


def _settings(path: Path) -> Any:
    from dataclasses import replace

    config = write(path / "given-config.json", CONFIG)
    return replace(in_folder(path), config=config, lacking=())


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    found = report(folder(tmp_path))
    assert [result.id for result in found.results if result.outcome is not Outcome.PASSED] == []


@pytest.mark.parametrize(
    ("changes", "check", "told"),
    [
        ({"definitionId": "1"}, "H1", "is no UUID"),
        ({"releaseStage": None}, "H1", "`releaseStage` is missing"),
        ({"connectorSubtype": "web"}, "H1", "must be one of"),
        ({"iconn": "x"}, "H1", "`iconn` is unknown"),
        ({"allowedHosts": ["api.test"]}, "H1", "`allowedHosts` is ['api.test']; it must be an object"),
        ({"suggestedStreams": {"streams": "users"}}, "H1", "`suggestedStreams.streams` is 'users'; it must be a list"),
        ({"releases": {"breakingChanges": ["1.0.0"]}}, "H1", "`releases.breakingChanges` is ['1.0.0']; it must be"),
        ({"maxSecondsBetweenMessages": "3 h"}, "H1", "`maxSecondsBetweenMessages` is '3 h'; it must be a number"),
        ({"dockerImageTag": "1.2.4"}, "H3", "no entry for 1.2.4"),
        ({"icon": "logo.svg"}, "H4", "There is no logo.svg"),
        ({"license": "ELv2"}, "H5", "MIT in pyproject.toml"),
        ({"dockerImageTag": "1.2"}, "H6", "is no version"),
        ({"dockerImageTag": "1.2.4"}, "H6", "1.2.3 in pyproject.toml"),
        ({"releases": {"breakingChanges": {"2.0.0": {}}}}, "H9", "has no message and no upgradeDeadline"),
        ({"allowedHosts": None}, "H10", "no `allowedHosts`"),
        ({"suggestedStreams": {"streams": ["people"]}}, "H11", "'people'"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, changes: Any, check: str, told: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", f"{check}: {told}")
    found = {result.id: result for result in report(folder(tmp_path, **changes)).results}
    assert any(told in finding.message for finding in found[check].findings), found[check]
    assert not [result for result in found.values() if result.outcome is Outcome.BROKEN]
    record_property("caught", check)


def test_who_says_nowhere_how_it_is_used_is_told(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", "H2: nothing is written")
    path = folder(tmp_path, documentationUrl=None)
    (path / "README.md").unlink()
    found = {result.id: result for result in report(path).results}
    assert found["H2"].outcome is Outcome.WARNED, found["H2"]
    record_property("caught", "H2")


def test_a_folder_without_metadata_is_told_who_needs_them(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "metadata.yaml").unlink()
    found = {result.id: result for result in report(path).results}
    assert found["H1"].outcome is Outcome.WARNED
    (finding,) = found["H1"].findings
    assert "Airbyte's registry needs one" in finding.message
    assert "definitionId" in finding.message
    assert {found[id].outcome for id in ("H9", "H10", "H11")} == {Outcome.SKIPPED}


def test_metadata_that_are_no_object_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path)
    (path / "metadata.yaml").write_text("- name: gallery")
    assert main(["acceptance", str(path), "--only", "H1"]) == 2
    assert "metadata.yaml must hold an object" in capsys.readouterr().err


def test_metadata_are_looked_at_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "metadata.yaml", {"metadataSpecVersion": "1.0", "data": {"name": "x"}})
    assert main(["acceptance", "--command", "true", "--metadata", str(path), "--only", "H1"]) == 1
    assert "metadata.yaml: `definitionId` is missing." in capsys.readouterr().out


def test_a_config_file_that_lacks_what_its_strictness_asks_for_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", "H8: nothing but spec")
    path = folder(tmp_path)
    suites = {"spec": {"tests": [{}]}, "connection": {"bypass_reason": "of no account"}}
    write(path / "acceptance-test-config.yml", {"test_strictness_level": "high", "acceptance_tests": suites})
    assert main(["acceptance", str(path), "--only", "H8"]) == 1
    said = capsys.readouterr().out
    assert "`basic_read` has neither tests nor a bypass_reason" in said
    assert "`connection` has" not in said
    record_property("caught", "H8")


def test_each_check_of_files_has_a_folder_that_it_finds_something_in() -> None:
    text = Path(__file__).read_text()
    assert [id for id in load() if id[0] == "H" and f'"{id}' not in text] == []


def test_plain_http_is_found_but_where_it_is_exempt(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "source.py").write_text(
        "A = 'http://json-schema.org'\nB = 'http://api.test/'\nC = 'http://b.test'  # ignore-https-check\n"
    )
    found = {result.id: result for result in report(path).results}
    assert [finding.message for finding in found["H7"].findings] == ["source.py:2 has http://."]


def test_the_command_line_takes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path)
    config = write(tmp_path / "config.json", CONFIG)
    assert main(["acceptance", str(path), "--config", str(config), "--only", "B1,C1,H"]) == 0
    assert "passed   H6 " in capsys.readouterr().out


def test_a_folder_without_a_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="declares no script"):
        folder_room(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname="x"\n[project.scripts]\nsource-not-there = "x:y"\n')
    with pytest.raises(ConfigError, match="`source-not-there` is not installed here"):
        folder_room(tmp_path)


@pytest.mark.parametrize("content", [b"[project", b'name = "\xff"', b"project = 1", b"[tool.poetry]\nscripts = [1]"])
def test_a_broken_pyproject_is_wrong_usage(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert main(["acceptance", str(tmp_path), "--only", "B1"]) == 2
    assert str(tmp_path / "pyproject.toml") in capsys.readouterr().err


def test_the_config_file_says_which_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path)
    (path / "secrets" / "other").mkdir(parents=True)
    write(path / "secrets" / "config.json", CONFIG)
    for name in ("us.json", "other/us.json"):
        write(path / "secrets" / name, {**CONFIG, "region": "us"})
    tests = {"connection": {"tests": [{"config_path": "secrets/config.json"}]},
             "basic_read": {"tests": [{"config_path": "secrets/config.json", "empty_streams": ["empty"]},
                                      {"config_path": "secrets/us.json"},
                                      {"config_path": "secrets/other/us.json"}]}}  # fmt: skip
    write(path / "acceptance-test-config.yml", {"acceptance_tests": tests})
    report_file = tmp_path / "report.json"
    words = ["--only", "C1,C2,E3", "--json", str(report_file), "--keep", str(tmp_path / "keep")]
    assert main(["acceptance", str(path), *words]) == 0
    found = json.loads(report_file.read_text())["results"]
    wanted = [("C1", None), ("C2", None), ("E3", None), ("E3", "us.json"), ("E3", "us.json")]
    assert [(one["id"], one["where"]) for one in found] == wanted
    assert len([part for part in (tmp_path / "keep").iterdir() if part.is_dir()]) == 2  # neither over the other
    assert "E3   Each stream has records [us.json]" in capsys.readouterr().out
