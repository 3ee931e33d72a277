"""The command line, as a user calls it, with a connector that is a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import headwater
from headwater import cli
from headwater.cli_run import paragraph
from headwater.errors import ConfigError, IncompleteError, SourceError, TransientError
from headwater.protocol.catalog import Catalog
from headwater.protocol.messages import State
from tests.cli.fake import CATALOG, FLOW, ISSUES, Fake, rows


def test_run_lands_everything_and_goes_on_from_there(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(flow)]) == 0
    assert rows(flow, "SELECT id, title FROM issues ORDER BY id") == [(0, "t0"), (1, "t1"), (2, "t2")]
    assert rows(flow, "SELECT sha FROM commits") == [("a",), ("b",)]
    assert Fake.config == {"token": "s3cret", "repo": "a/b"}
    assert cli.main(["run", str(flow), "--stream", "issues"]) == 0
    assert Fake.seen[-1][1] == [State.of_stream(ISSUES, {"at": 3})]
    assert rows(flow, "SELECT count(*) FROM issues") == [(3,)]
    assert "s3cret" not in capsys.readouterr().err


def test_full_refresh_reads_again_and_deduplicates(flow: Path) -> None:
    for _ in range(2):
        assert cli.main(["run", str(flow), "--full-refresh", "--stream", "issues"]) == 0
        assert Fake.seen[-1][1] == []
        assert rows(flow, "SELECT count(*) FROM issues") == [(3,)]


def test_a_stream_that_is_gone_is_told_until_its_state_is_cleared(
    flow: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> str:
        caplog.clear()
        assert cli.main(["run", str(flow)]) == 0
        return str(capsys.readouterr().err + caplog.text)

    assert "any more" not in told()
    monkeypatch.setattr("tests.cli.fake.CATALOG", Catalog(CATALOG.streams[1:]))
    for _ in range(2):
        assert "does not offer 'issues' any more, which was read before" in told()
    assert rows(flow, "SELECT count(*) FROM issues") == [(3,)]
    assert cli.main(["state", "clear", str(flow), "--stream", "issues"]) == 0
    assert "any more" not in told()


def test_limit_is_a_trial(flow: Path) -> None:
    assert cli.main(["run", str(flow), "--limit", "1"]) == 0
    assert rows(flow, "SELECT id FROM issues") == [(0,)]
    assert rows(flow, "SELECT * FROM _headwater_state") == []
    assert cli.main(["run", str(flow)]) == 0
    assert rows(flow, "SELECT count(*) FROM issues") == [(3,)]
    assert rows(flow, "SELECT count(*) FROM commits") == [(2,)]  # the trial's row is not there twice


def test_refused_records_are_counted_and_the_run_is_complete(
    flow: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    flow.write_text(FLOW + 'refused = "table"\nmisfits = "null"\nnested = "flat"\n')
    assert cli.main(["run", str(flow)]) == 0
    rows(flow, "CREATE TRIGGER no BEFORE INSERT ON issues WHEN NEW.id = 1 BEGIN SELECT RAISE(ABORT, 'not this'); END")
    assert cli.main(["run", str(flow), "--full-refresh", "--stream", "issues"]) == 0
    assert rows(flow, "SELECT stream, reason FROM _headwater_refused") == [("issues", "not this")]
    told = capsys.readouterr().err + caplog.text
    assert "stream 'issues': the destination refused 1 records; they are in its table _headwater_refused" in told


@pytest.mark.parametrize("options", [[], ["--no-progress"]])
def test_at_the_end_a_line_says_how_much_came(flow: Path, caplog: pytest.LogCaptureFixture, options: list[str]) -> None:
    caplog.set_level("INFO")
    assert cli.main(["run", str(flow), *options]) == 0
    (line,) = [line for line in caplog.messages if "rows/s" in line]
    assert line.startswith("5 rows, ") and "2 of 2 streams complete" in line


@pytest.mark.parametrize(
    ("error", "code", "turn"),
    [
        (ConfigError("the token was revoked", stream="issues"), 1, "Your turn"),
        (TransientError("the server is down"), 1, "Nobody's turn"),
        (SourceError("a bug", internal="line 3"), 1, "author's turn"),
        (ValueError("a bug"), 1, "author's turn"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(143), 143, ""),
    ],
)
def test_exit_codes(flow: Path, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, turn: str) -> None:
    Fake.fail = error
    assert cli.main(["run", str(flow)]) == code
    told = capsys.readouterr().err
    assert turn in told and (not turn or f"{error}" in told)
    assert rows(flow, "SELECT id FROM issues") == [(0,)]
    Fake.fail = None
    assert cli.main(["run", str(flow)]) == 0
    assert Fake.seen[-1][1] == [State.of_stream(ISSUES, {"at": 1})]


def test_a_source_without_streams_is_told(
    flow: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fake, "discover", lambda self: Catalog(()))
    assert cli.main(["run", str(flow)]) == 0
    assert "Flow hub_db: nothing is read, as the source has no streams" in caplog.text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "Flow hub_db: each run reads 'commits' whole and adds all rows again"),
        ('streams = ["issues"]', ""),
        ('mode = "append"', ""),
        ('mode = "overwrite"', ""),
    ],
)
def test_rows_that_each_run_adds_again_are_told_where_nobody_asked_for_it(
    flow: Path, caplog: pytest.LogCaptureFixture, said: str, told: str
) -> None:
    flow.write_text(FLOW + said)
    assert cli.main(["run", str(flow)]) == 0
    assert (told in caplog.text) if told else "adds all rows again" not in caplog.text


def test_usage(flow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["run"], ["run", str(flow), "--limit", "0"], ["nonsense"], []):
        with pytest.raises(SystemExit) as end:
            cli.main(wrong)
        assert end.value.code == 2
    assert cli.main(["run", str(tmp_path / "none.toml")]) == 2
    assert cli.main(["run", str(flow), "--state-file", "x.json"]) == 2


def test_a_renewed_token_is_used_next_time_and_kept_to_oneself(flow: Path) -> None:
    Fake.control = {"token": "renewed"}
    assert cli.main(["run", str(flow)]) == 0
    kept = flow.parent / ".headwater" / "config" / "hub.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert cli.main(["run", str(flow)]) == 0
    assert Fake.config == {"token": "renewed"}
    flow.write_text(FLOW.replace("a/b", "a/c"))  # the user has the last word
    assert cli.main(["run", str(flow)]) == 0
    assert Fake.config == {"token": "s3cret", "repo": "a/c"}


def test_one_failing_flow_does_not_stop_the_next(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow.write_text(
        FLOW.replace("[[flows]]", '[sources.bad]\nname = "none"\n[[flows]]\nfrom = "bad"\nto = "db"\n[[flows]]')
    )
    assert cli.main(["run", str(flow)]) == 2
    assert rows(flow, "SELECT count(*) FROM issues") == [(3,)]


def test_one_flow_of_several(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = FLOW.replace('sqlite:///out.db"', 'sqlite:///out.db"\n[destinations.other]\ntarget = "sqlite:///other.db"')
    flow.write_text(both + '[[flows]]\nfrom = "hub"\nto = "other"\nname = "second"\n')
    assert cli.main(["run", str(flow), "--flow", "third"]) == 2
    assert "there is no flow 'third'. There are: 'hub_db', 'second'." in capsys.readouterr().err
    assert cli.main(["run", str(flow), "--flow", "second"]) == 0
    assert (flow.parent / "other.db").exists() and not (flow.parent / "out.db").exists()
    assert cli.main(["run", str(flow)]) == 0
    assert cli.main(["state", "clear", str(flow), "--flow", "hub_db", "--stream", "issues"]) == 0
    capsys.readouterr()
    assert cli.main(["state", "show", str(flow), "--flow", "second"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["flow"], len(shown["states"])) == ("second", 1), "the other flow's state is as it was"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"headwater {headwater.__version__}\n"


PROCESS = """
import sys, time
from headwater import cli, registry
from tests.cli.fake import Fake

class Slow(Fake):
    def read(self, catalog, state=()):
        for number, message in enumerate(super().read(catalog, state)):
            if number == 2:
                time.sleep(300)
            yield message
            if state or Fake.seen[-1][0].streams[0].stream.name == "issues":
                print("read", flush=True)

registry.find = lambda name: Slow
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_and_keeps_what_is_safe(flow: Path, number: int, code: int) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, "run", str(flow)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        for _ in range(2):  # an issue, and its state
            assert process.stdout.readline() == b"read\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code, told.decode()
    assert b"Traceback" not in told
    said = "it was asked to stop. Of 1 rows that were read 1 are in the destination; 1 state of this run is"
    assert f"{said} stored. Run again: it goes on from the last state." in told.decode()
    assert rows(flow, "SELECT id FROM issues") == [(0,)]
    assert '{"at":1}' in rows(flow, "SELECT state FROM _headwater_state")[0][0]


def test_streams_that_fail_alike_are_told_of_once() -> None:
    one = ConfigError("the token was revoked")
    told = paragraph(IncompleteError({"a": one, "b": ConfigError("the token was revoked"), "c": SourceError("x")}), "f")
    assert told.count("revoked") == 1 and "streams 'a', 'b'" in told and "stream 'c'" in told


@pytest.mark.parametrize("arguments", [["list"], ["acceptance", "--list"]])
def test_output_that_nobody_reads_is_no_success(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "headwater", *arguments]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    assert capsys.readouterr().out == "fake\n"
