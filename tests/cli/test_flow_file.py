"""The command line: what a flow's file says, what is wrong in it, and where states are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from headwater import cli
from headwater.protocol.messages import State
from tests.cli.fake import FLOW, ISSUES, Fake


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('from = "hub"', 'from = "hup"', "the source 'hup' is not defined. Defined are: 'hub'"),
        ('to = "db"', 'to = "x"', "the destination 'x' is not defined"),
        ("${TOKEN}", "${NO_SUCH}", "'NO_SUCH' is not set"),
        ("token =", "tokn =", "token: is missing"),
        ('name = "fake"', 'name = "fakes"', "No connector 'fakes'"),
        ("sqlite:///", "mysql://root:pw@", "'mysql://…' names no destination"),
        ('to = "db"', 'to = "db"\nstreams = ["isues"]', "'isues'"),
        ('to = "db"', 'to = "db"\nstream = ["issues"]', "'stream', which is not known"),
        ('to = "db"', 'to = "db"\nstreams = []', "flow 1: `streams` is empty. Name some, or leave it out"),
        ('to = "db"', 'to = "db"\nstreams = ["issues", "issues"]', "the stream 'issues' is named twice"),
        ('to = "db"', 'to = "db"\nmode = "apend"', "must be one of append, append_dedup"),
        (
            'to = "db"',
            'to = "db"\nmode = "soft_delete"',
            "must be one of append, append_dedup, overwrite, overwrite_dedup",
        ),
        ('to = "db"', 'to = "db"\n[flows.streams.issues]\ncolumns = ["titel"]', "no column 'titel'"),
        ('to = "db"', 'to = "db"\nmode = "append_dedup"', "'commits'.*primary key"),
        ('target = "sqlite:///out.db"', 'method = "mysql"', r"'mysql' is not known here.*postgresql://USER:PASSWORD@"),
        (
            'target = "sqlite:///out.db"',
            'method = "postgres"',
            r"\[destinations.db\]: there is no `target`. .*ql://USER:P",
        ),
        (
            'target = "sqlite:///out.db"',
            'method = "postgres"\ntarget = "u:pw@h/db"',
            "`target` is no URL. .*as postgresql:/",
        ),
        ('target = "sqlite:///out.db"', 'method = "sqlite"', "there is no `target`. Write it as sqlite:///FILE"),
        ('target = "sqlite:///out.db"', 'target = "out.db"', "`target` is no URL. Write it as one of sqlite:///FILE"),
        ("target", 'method = "duckdb"\ntarget', "method 'duckdb' does not go with a target sqlite://"),
        ('to = "db"', 'to = "db"\nrefused = "drop"', "`refused` is 'drop'; it must be one of fail, table"),
        ('sqlite:///out.db"\n[[flows]]', "jsonl:///out\"\n[[flows]]\nnested = 'flat'", "`nested`.*for SQL databases"),
        ("[[flows]]", "[[flows]", "is not TOML"),
        ("[[flows]]", "[[streams]]", "'streams', which is not known"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(
    flow: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, match: str
) -> None:
    flow.write_text(FLOW.replace(old, new))
    assert cli.main(["run", str(flow)]) == 2
    told = capsys.readouterr().err
    assert re.search(match, told) and "Your turn" in told
    assert "pw" not in told and Fake.seen == []


def test_streams_with_options(flow: Path) -> None:
    flow.write_text(
        FLOW
        + """
[[flows.streams]]
name = "issues"
columns = ["title"]
mode = "overwrite"
"""
    )
    assert cli.main(["run", str(flow)]) == 0
    (stream,) = Fake.seen[0][0].streams
    assert (stream.sync_mode, stream.destination_sync_mode) == ("full_refresh", "overwrite")
    assert stream.selected == {"id", "title"}


def test_a_sink_without_states_has_them_in_a_file(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow.write_text(FLOW.replace("sqlite:///out.db", "jsonl:///out"))
    assert cli.main(["run", str(flow)]) == 0
    path = flow.parent / ".headwater" / "state" / "hub_db.json"
    assert json.loads(path.read_text()) == [State.of_stream(ISSUES, {"at": 3}).raw]
    assert cli.main(["run", str(flow), "--state-file", str(flow.parent / "s.json"), "--stream", "issues"]) == 0
    assert (flow.parent / "s.json").exists()
    assert (flow.parent / "out" / "issues.jsonl").read_text().count("\n") == 6


@pytest.mark.parametrize("target", ["sqlite:///out.db", "jsonl:///out"])
def test_state_show_and_clear(
    flow: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    flow.write_text(FLOW.replace("sqlite:///out.db", target))
    assert cli.main(["run", str(flow), "--no-progress"]) == 0
    capsys.readouterr()
    assert cli.main(["state", "show", str(flow)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"flow": "hub_db", "states": [State.of_stream(ISSUES, {"at": 3}).raw]}
    monkeypatch.delenv("TOKEN")  # the source's, which is not asked
    assert cli.main(["state", "clear", str(flow), "--stream", "commits"]) == 2
    assert cli.main(["state", "clear", str(flow), "--stream", "issues"]) == 0
    capsys.readouterr()
    assert cli.main(["state", "show", str(flow)]) == 0
    assert json.loads(capsys.readouterr().out)["states"] == []
    monkeypatch.setenv("TOKEN", "t")
    assert cli.main(["run", str(flow)]) == 0
    assert cli.main(["state", "clear", str(flow)]) == 0
