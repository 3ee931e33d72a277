"""``headwater acceptance`` as a command: its options, exit codes and reports."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from headwater.acceptance.image_room import ImageRoom
from headwater.cli import main
from tests.acceptance.suite import CONFIG, RUN, TOKEN, write


def command(name: str) -> str:
    """``--command`` of a connector of the gallery."""
    return shlex.join([sys.executable, "-I", "-S", str(RUN), name])


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path / "config.json", CONFIG))


def test_a_failure_is_told_with_its_line_and_how_to_see_it_again(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = tmp_path / "keep"
    arguments = ["--command", command("Undeclared"), "--config", config, "--only", "E6,E12", "--keep", str(keep)]
    reports = [tmp_path / name for name in ("junit.xml", "report.json", "report.html")]
    flags = ("--junit", "--json", "--html")
    files = [word for flag, path in zip(flags, reports, strict=True) for word in (flag, str(path))]
    assert main(["acceptance", *arguments, *files]) == 1
    said = capsys.readouterr().out
    assert "FAILED   E6 " in said
    assert "passed   E12 " in said
    assert "users: the field 'created_by' is not in the schema." in said
    (run,) = [line.strip() for line in said.splitlines() if line.strip().startswith("run: ") and "sed -n 12p" in line]
    shown = subprocess.run(run.removeprefix("run: "), shell=True, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["record"]["data"]["created_by"] == "me"
    (again,) = [line.strip() for line in said.splitlines() if line.strip().startswith("again: headwater acceptance")]
    assert main(shlex.split(again.removeprefix("again: "))[1:]) == 1
    junit, plain, page = reports
    (failure,) = ElementTree.parse(junit).getroot().iter("failure")
    assert "created_by" in failure.attrib["message"]
    content = json.loads(plain.read_text())
    assert content["counts"]["failed"] == 1
    assert content["exit_code"] == 1
    finding = content["results"][0]["findings"][0]
    assert (finding["line"], finding["stream"]) == (12, "users")
    assert finding["time"] > 0
    assert "created_by" in finding["excerpt"]
    assert "<svg" in page.read_text()
    assert "created_by" in page.read_text()


def test_nothing_checked_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", "--command", command("correct"), "--only", "E"]) == 1
    said = capsys.readouterr().out
    assert "no config was given: --config FILE." in said
    assert "passed" not in said.split("\n\n")[0]


def test_without_a_config_what_needs_none_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", "--command", command("correct"), "--only", "A,B"]) == 0
    said = capsys.readouterr().out
    assert "passed   B1 " in said
    assert "skipped  B3 " in said


def test_warnings_fail_if_they_are_to(config: str) -> None:
    arguments = ["acceptance", "--command", command("NeverThere"), "--config", config, "--only", "E7"]
    assert main(arguments) == 0
    assert main([*arguments, "--strict"]) == 1


def test_noise_can_be_allowed(config: str) -> None:
    arguments = ["acceptance", "--command", command("Prints"), "--config", config, "--only", "A1"]
    assert main(arguments) == 1
    assert main([*arguments, "--allow-noise"]) == 0


def test_secrets_are_not_in_reports(tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    arguments = ["--command", command("PrintsToken"), "--config", config, "--only", "A1", "--json", str(report)]
    assert main(["acceptance", *arguments]) == 1
    assert TOKEN not in capsys.readouterr().out + report.read_text()
    assert "****" in report.read_text()


WITHOUT_SPEC = """
import sys
if "--config" in sys.argv:
    print(open(sys.argv[sys.argv.index("--config") + 1]).read())
sys.exit(1)
"""


def test_without_a_spec_what_sounds_like_a_secret_is_not_in_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(WITHOUT_SPEC)
    secrets = {"api_key": TOKEN, "password": 987654, "credentials": {"who": "nested-one"}}
    config = write(tmp_path / "config.json", {**secrets, "region": "somewhere"})
    report = tmp_path / "report.json"
    words = ["--command", shlex.join([sys.executable, str(tmp_path / "broken.py")]), "--config", str(config)]
    assert main(["acceptance", *words, "--only", "A1", "--json", str(report)]) == 1
    said = capsys.readouterr().out + report.read_text()
    assert "somewhere" in said
    assert "****" in said
    assert not [secret for secret in (TOKEN, "987654", "nested-one") if secret in said]


@pytest.mark.parametrize("option", ["--config", "--catalog"])
@pytest.mark.parametrize(
    ("content", "told"),
    [(b'{"token": "abc', "is no JSON"), (b"[1]", "must hold a JSON object"), (b'{"a": "\xff"}', "is no UTF-8")],
)
def test_a_broken_config_is_wrong_usage(
    tmp_path: Path, option: str, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    words = ["--command", command("correct"), option, str(tmp_path / "broken.json"), "--only", "B1"]
    assert main(["acceptance", *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "broken.json" in said
    assert option in said
    assert "abc" not in said


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff"])
def test_a_broken_yaml_file_is_wrong_usage(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metadata.yaml").write_bytes(content)
    words = ["--command", command("correct"), "--metadata", str(tmp_path / "metadata.yaml"), "--only", "B1"]
    assert main(["acceptance", *words]) == 2
    assert "metadata.yaml is no YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--command COMMAND"),
        (["--command", "there-is-no-such-executable"], "there is no executable"),
        (["--command", "true", "--config", "nowhere.json"], "nowhere.json"),
        (["--command", "true", "--only", "Q9"], "There is no check 'Q9'"),
        (["--command", "true", "--ignore-field", "name"], "STREAM:PATH"),
        (["--command", "true", "--env", "NOT_THERE"], "no such environment variable"),
        (["--command", "true", "--env", "=1"], "--env: a variable has a name"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_expected_records_are_not_written_anew_by_a_read_that_fails(tmp_path: Path, config: str) -> None:
    script, records = tmp_path / "fails.sh", tmp_path / "records.jsonl"
    stream = {"name": "users", "json_schema": {"type": "object", "properties": {}},
              "supported_sync_modes": ["full_refresh"]}  # fmt: skip
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    record = {"type": "RECORD", "record": {"stream": "users", "data": {"id": 1}, "emitted_at": 1}}
    script.write_text(f"echo '{json.dumps(record)}'\nexit 1\n")
    records.write_text('{"stream": "users", "data": {"id": 7}, "emitted_at": 1}\n')
    words = ["--command", f"sh {script}", "--config", config, "--only", "E20", "--update"]
    files = ["--catalog", str(write(tmp_path / "catalog.json", catalog)), "--expected-records", str(records)]
    assert main(["acceptance", *words, *files]) == 1
    assert '"id": 7' in records.read_text()


NODE = """
echo "/app/source.js:7
    for (const one of state) {
                      ^

TypeError: state is not iterable
    at main (/app/source.js:7:23)
    at node:internal/main/run_main_module:28:49

Node.js v20.20.2" >&2
exit 1
"""


def test_what_went_wrong_is_told_without_the_places_in_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source.sh").write_text(NODE)
    assert main(["acceptance", "--command", f"sh {tmp_path / 'source.sh'}", "--only", "B1"]) == 1
    said = capsys.readouterr().out
    assert "TypeError: state is not iterable" in said
    assert "run_main_module" not in said
    assert "Node.js v20" not in said
    assert main(["check", "--command", f"sh {tmp_path / 'source.sh'}", "--protocol", "airbyte"]) == 1
    assert "{ / TypeError: state is not iterable" in capsys.readouterr().err


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jsonschema" else found(name))
    assert main(["acceptance", "--command", "true"]) == 2
    assert "pip install 'headwater[acceptance]'" in capsys.readouterr().err


def test_a_variable_of_ours_reaches_the_connector_and_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_PASS", "s3cret-pass")
    report = tmp_path / "report.json"
    words = ["--command", "sh -c 'echo ${#API_PASS}'", "--env", "API_PASS", "--only", "B1", "--json", str(report)]
    assert main(["acceptance", *words, "--keep", str(tmp_path / "keep")]) == 1
    assert [path.read_text() for path in (tmp_path / "keep").glob("*.stdout")] == ["11\n"]
    assert (tmp_path / "keep").stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out + report.read_text()
    assert "--env API_PASS --only B1" in said
    assert "s3cret-pass" not in said


def test_an_image_s_variables_are_not_on_its_command_line(tmp_path: Path) -> None:
    words = ImageRoom("image", "--image image").words(
        ["spec"], {"API_PASS": "s3cret-pass", "GONE": None}, tmp_path, "x"
    )
    assert words[words.index("-e") + 1] == "API_PASS"
    assert "s3cret-pass" not in " ".join(words)
    assert "GONE" not in words


def test_the_checks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", "--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith("A1   Every line of standard output is one JSON message")
    assert len(listed) > 80


def test_a_connector_that_is_none_fails(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", "--command", "true", "--config", config, "--only", "B1,C1,D1,E1"]) == 1
    said = capsys.readouterr().out
    assert "FAILED   B1 " in said
    assert "skipped  E1   The read succeeds: `discover` gave no catalog." in said


def test_baselines_and_expected_records_are_written_and_compared(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--baseline", str(tmp_path / "baseline"), "--expected-records", str(tmp_path / "expected.jsonl")]
    arguments = ["--config", config, "--only", "B24,D14,E20", *files]
    assert main(["acceptance", "--command", command("correct"), *arguments]) == 1  # nothing was there to compare with
    assert main(["acceptance", "--command", command("correct"), *arguments, "--update"]) == 0
    assert main(["acceptance", "--command", command("correct"), *arguments]) == 0
    capsys.readouterr()
    assert main(["acceptance", "--command", command("Breaks"), *arguments]) == 1
    said = capsys.readouterr().out
    assert "properties/region: `enum` lost" in said
    assert "plans: the stream is gone." in said
    assert "plans: the expected record {" in said
