"""acceptance-test-config.yml: every key is read."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.client_container import ClientContainer, ClientFailed
from headwater.acceptance.config_file import ConfigFile, load
from headwater.acceptance.given import yaml_of
from headwater.acceptance.settings import Settings
from headwater.cli import main
from headwater.errors import ConfigError
from tests.acceptance.suite import CONFIG, TOKEN, write
from tests.acceptance.test_command import command

WHOLE = """
connector_image: airbyte/source-x:dev
test_strictness_level: high
custom_environment_variables:
  USE_STREAM_CAPABLE_STATE: true
acceptance_tests:
  spec:
    tests:
      - spec_path: spec.json
        config_path: secrets/config.json
        timeout_seconds: 30
        deployment_mode: cloud
        backward_compatibility_tests_config: {disable_for_version: 1.2.3}
        auth_default_method: {oauth: false, bypass_reason: there is none}
  connection:
    tests:
      - {config_path: secrets/config.json, status: succeed}
      - {config_path: integration_tests/invalid.json, status: failed}
  discovery:
    tests: [{config_path: secrets/config.json, validate_primary_keys_data_type: false}]
  basic_read:
    tests:
      - config_path: secrets/config.json
        empty_streams: [{name: projects, bypass_reason: nobody has any}, teams]
        expect_records: {path: integration_tests/expected_records.jsonl, exact_order: true}
        validate_schema: true
        validate_stream_statuses: false
        validate_state_messages: false
        fail_on_extra_columns: false
        validate_data_points: true
        expect_trace_message_on_failure: false
        file_types: {unsupported_types: [{extension: .avro, bypass_reason: rare}]}
        timeout_seconds: 77
      - {config_path: secrets/other.json}
  full_refresh:
    tests:
      - config_path: secrets/config.json
        ignored_fields:
          jobs: [{name: steps/*/started_at, bypass_reason: it moves}, updated_at]
  incremental:
    tests:
      - config_path: secrets/config.json
        skip_comprehensive_incremental_tests: true
        future_state:
          future_state_path: integration_tests/future.json
          missing_streams: [{name: users, bypass_reason: no cursor}]
          cursor_format: {format: "%Y-%m-%d", streams: [{name: jobs, format: "%s"}]}
        client_container_config: {setup_command: [true]}
  connector_attributes:
    tests:
      - streams_without_primary_key: [{name: events, bypass_reason: none}]
        allowed_hosts: {bypass_reason: any host}
        suggested_streams: {bypass_reason: all}
  connector_documentation:
    bypass_reason: it is elsewhere
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("secrets/config.json", "secrets/other.json", "integration_tests/invalid.json",
                 "integration_tests/future.json"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    return tmp_path


def read(folder: Path, text: str) -> ConfigFile:
    path = folder / "acceptance-test-config.yml"
    path.write_text(text)
    return load(path, yaml_of(path), Settings())


def test_every_key_is_read(folder: Path) -> None:
    found = read(folder, WHOLE)
    main = found.main
    assert main.config == folder / "secrets/config.json"
    assert main.spec_path == folder / "spec.json"
    assert (main.timeout_of("spec"), main.timeout_of("basic_read")) == (30.0, 77.0)
    assert main.environment == {"DEPLOYMENT_MODE": "cloud", "USE_STREAM_CAPABLE_STATE": "true"}
    assert main.disabled_for == "1.2.3"
    assert [(case.config.name, case.status) for case in main.connection] == [
        ("config.json", "succeed"), ("invalid.json", "failed"),
    ]  # fmt: skip
    assert main.empty_streams == {"projects": "nobody has any", "teams": ""}
    assert main.expected_records == folder / "integration_tests/expected_records.jsonl"
    assert main.expected_order
    assert main.ignored_fields == {"jobs": ["steps/*/started_at", "updated_at"]}
    assert main.without_primary_key == {"events"}
    assert main.future_state.path == folder / "integration_tests/future.json"
    assert main.future_state.formats == {"": "%Y-%m-%d", "jobs": "%s"}
    assert main.future_state.missing == {"users"}
    assert main.file_types == (".avro",)
    assert main.on == {"E7"}
    off = {"B17", "D10", "E6", "E8", "E9", "E13", "E14", "E15", "E16", "E26", "F2", "X16", "X19", "H10", "H11"}
    assert main.off.keys() == off
    assert main.off["X19"] == "`allowed_hosts` is bypassed: any host"
    assert main.bypassed == {"connector_documentation": "it is elsewhere"}
    assert [(name, groups) for name, _, groups in found.others] == [("other.json", ("E",))]
    assert found.lacking == [
        "`empty_streams`: teams has no bypass_reason",
        "`basic_read.expect_records` is missing, and has no bypass_reason",
    ]
    assert found.notes == [
        "acceptance-test-config.yml: `client_container_config` has no `client_container_dockerfile_path`, so its "
        "commands are not carried out.",
    ]


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"tests": {"spec": [{"config_path": "secrets/config.json"}]}}, "`tests` is of the legacy form"),
        ({"acceptance-tests": {}}, "`acceptance-tests` is spelled with a hyphen"),
        ({"acceptance_tests": {"basic_read": {"tests": [{"cached_discovered_catalog": "x"}]}}}, "of another version"),
        ({"acceptance_tests": {"incremental": {"tests": [{"threshold_days": 3}]}}}, "of another version"),
        ({"acceptance_tests": {"spec": {"tests": [{"spec_file": "x"}]}}}, "`spec.spec_file` is unknown"),
        ({"acceptance_tests": {"speck": {}}}, "there is no suite `speck`"),
        ({"acceptance_tests": {}, "conector_image": "x"}, "`conector_image` is unknown"),
        ({"acceptance_tests": {"connection": {"tests": [{"config_path": "no.json"}]}}}, "there is no file no.json"),
        ({"acceptance_tests": {"basic_read": {"tests": [{"expect_records": {"extra_fields": True}}]}}}, "extra_fields"),
    ],
)
def test_what_is_not_heeded_is_told(folder: Path, given: Any, note: str) -> None:
    assert any(note in said for said in read(folder, json.dumps(given)).notes)


@pytest.mark.parametrize(
    "given",
    [[], {}, {"acceptance_tests": []}, {"acceptance_tests": {"spec": 1}},
     {"acceptance_tests": {"spec": {"tests": [1]}}},
     {"acceptance_tests": {"connection": {"tests": [{"status": "maybe"}]}}}],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(folder: Path, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"acceptance-test-config\.yml"):
        read(folder, json.dumps(given))


def test_yaml_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is no YAML"):
        read(folder, "a: [")


def test_what_is_for_all_suites_and_for_one_fills_the_source_together(folder: Path) -> None:
    (folder / "client").mkdir()
    (folder / "client/Dockerfile").write_text("FROM scratch")
    one = {"between_syncs_command": ["change.py", "--now"], "setup_command": ["fill.py", "twice"]}
    given = {
        "acceptance_tests": {"incremental": {"tests": [{"client_container_config": one}]}},
        "client_container_config": {
            "client_container_dockerfile_path": "client/Dockerfile", "secrets_path": "secrets/config.json",
            "setup_command": ["fill.py"], "final_teardown_command": ["empty.py"], "retries": 3,
        },
    }  # fmt: skip
    found = read(folder, json.dumps(given))
    assert any("`client_container_config.retries` is unknown" in note for note in found.notes)
    client = found.main.client
    assert isinstance(client, ClientContainer)
    assert (client.dockerfile, client.secrets) == (folder / "client/Dockerfile", folder / "secrets/config.json")
    assert client.commands == {
        "setup": ["fill.py", "twice"], "between_syncs": ["change.py", "--now"], "teardown": [],
        "final_teardown": ["empty.py"],
    }  # fmt: skip
    assert [client.has("setup"), client.has("teardown")] == [True, False]


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its container would go on when nobody waits for the docker command any more."""
    asked: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        if words[1] == "run":
            raise subprocess.TimeoutExpired(words, 900)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("shutil.which", lambda name: name)
    client = ClientContainer(tmp_path, tmp_path / "Dockerfile", None, {"setup": ["fill"]}, "image")
    with pytest.raises(ClientFailed, match="setup_command did not end"):
        client.run("setup")
    ran, ended = asked
    assert ended == ["docker", "rm", "--force", ran[ran.index("--name") + 1]]


DOCKER = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in *empty*) echo "no rights, says $(cat "$(dirname "$0")/word")" >&2; exit 3;; esac
"""


def test_a_source_that_can_not_be_emptied_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker, asked = tmp_path / "docker", tmp_path / "asked"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (tmp_path / "word").write_text(TOKEN)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    write(tmp_path / "config.json", CONFIG)
    commands = {"setup_command": ["fill"], "teardown_command": ["empty"], "final_teardown_command": ["wipe"]}
    client = {"client_container_dockerfile_path": "Dockerfile", **commands}
    tests = {"basic_read": {"tests": [{"config_path": "config.json", "client_container_config": client}]}}
    file, report = write(tmp_path / "acceptance-test-config.yml", {"acceptance_tests": tests}), tmp_path / "report.json"
    words = ["--command", command("correct"), "--config-file", str(file), "--only", "C1", "--json", str(report)]
    assert main(["acceptance", *words]) == 1
    said = capsys.readouterr().out
    assert "passed   C1 " in said
    assert "teardown_command exited with 3: no rights, says ****" in said
    assert TOKEN not in said + report.read_text()
    assert [result["outcome"] for result in json.loads(report.read_text())["results"]] == ["passed", "broken"]
    build, fill, empty, wipe, remove = asked.read_text().splitlines()
    image = build.split()[2]
    assert [run.split()[-2:] for run in (fill, empty, wipe)] == [[image, "fill"], [image, "empty"], [image, "wipe"]]
    assert remove == f"rmi {image}"
