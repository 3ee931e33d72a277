"""The suite catches every broken connector with the right check, and finds nothing in the correct one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.proxy.authority import Authority
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome
from headwater.acceptance.suite import chosen, run
from tests.acceptance.api import api
from tests.acceptance.suite import connector, gallery, report
from tests.needs import missing

CAUGHT = (Outcome.FAILED, Outcome.WARNED)


DEFECTS: dict[str, Any] = gallery("broken").DEFECTS


def test_the_correct_connector_passes_everything(tmp_path: Path) -> None:
    found = report("correct", tmp_path)
    assert not found.of(Outcome.FAILED) + found.of(Outcome.WARNED) + found.of(Outcome.BROKEN), "\n".join(summary(found))
    assert found.code == 0


@pytest.mark.parametrize("name", DEFECTS)
def test_caught(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    defect = DEFECTS[name]
    if defect.check == "X15" and shutil.which("faketime") is None:
        missing("needs the program faketime: install Debian's package (.ci/packages does it)")
    record_property("mutant", name)
    given = expected(defect.check, tmp_path)
    with api() if defect.web else nullcontext() as url:
        config = {**defect.settings, **given.pop("config", {}), **({"api_url": url} if url else {})}
        found = report(name, tmp_path, only=needed(defect.check), config=config, **given)
    (result,) = [result for result in found.results if result.id == defect.check]
    assert result.outcome in CAUGHT, f"{defect.check} does not catch that it {defect.what}: {result.outcome}"
    assert result.findings[0].message
    record_property("caught", defect.check)


class Grows:
    """Makes the gallery's connectors have eight records more."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.done: list[str] = []

    def has(self, when: str) -> bool:
        return True

    def run(self, when: str) -> None:
        self.done.append(when)
        if when == "between_syncs":
            self.file.touch()

    def close(self) -> None:
        self.done.append("close")


def needed(check: str) -> list[str]:
    """With which checks: X20 looks at what the others ran."""
    return [check, "C1"] if check in ("X10", "X20") else [check]


def expected(check: str, folder: Path) -> dict[str, Any]:
    """For the checks that compare with a file: what the correct connector gives."""
    files = {"E20": "expected_records", "B24": "baseline", "D14": "baseline", "B4": "spec_path", "F5": "baseline"}
    if check == "X19":
        return {"metadata": {"data": {"allowedHosts": {"hosts": ["${api_url}"]}}}}
    if check == "F11":
        return {"client": Grows(folder / "grown"), "config": {"grown": str(folder / "grown")}}
    if check == "C6":
        return {"timeouts": {"connection": 3.0}}
    if check == "X1":
        return {"trials": 14}  # chance may spare it now and then
    if check == "E27":
        return {"file_types": (".avro",)}
    if check == "X11":
        return {"patience": 10.0}
    if check == "X17":
        return {"metadata": {"data": {"maxSecondsBetweenMessages": 1}}}
    if check not in files:
        return {}
    (folder / "correct").mkdir()
    given = {files[check]: folder / files[check]}
    report("correct", folder / "correct", only=[check], update=True, **given)
    return given


def test_the_correct_connector_reads_what_changed(tmp_path: Path) -> None:
    client = Grows(tmp_path / "grown")
    with closing(connector("correct", tmp_path, client=client, config={"grown": str(client.file)})) as correct:
        found = run(correct, chosen(["F11", "F1"]))
        assert [result.outcome for result in found.results] == [Outcome.PASSED] * 2, "\n".join(summary(found))
        assert client.done == ["setup", "between_syncs"]
    assert client.done == ["setup", "between_syncs", "teardown", "final_teardown", "close"]


def test_each_check_has_a_broken_connector() -> None:
    from headwater.acceptance.checks import load

    without = set(load()) - {defect.check for defect in DEFECTS.values()}
    elsewhere = {id for id in without if id[0] in "GH"}  # images and folders have tests of their own, for each id
    assert without == elsewhere


def test_the_correct_connector_passes_everything_over_http(tmp_path: Path) -> None:
    with api() as url:
        hosts = {"data": {"allowedHosts": {"hosts": ["127.0.0.1"]}}}
        found = report("correct", tmp_path, only=["E", "F", "X"], config={"api_url": url}, metadata=hosts)
    assert not found.of(Outcome.FAILED) + found.of(Outcome.WARNED) + found.of(Outcome.BROKEN), "\n".join(summary(found))
    passed = {result.id for result in found.of(Outcome.PASSED)}
    assert passed >= {"X11", "X12", "X19"}, [(result.id, result.reason) for result in found.of(Outcome.SKIPPED)]


def test_the_correct_connector_heeds_the_suites_certificates(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    authority = Authority(tmp_path / "api")
    with api(authority.context("127.0.0.1")) as url:
        found = report("correct", tmp_path, ["X11"], config={"api_url": url}, trust=authority.file,
                       environment={"SSL_CERT_FILE": str(authority.file)})  # fmt: skip
    (result,) = found.results
    assert result.outcome is Outcome.PASSED, "\n".join(summary(found))
    assert any("a certificate of somebody else" in what for run in found.recordings for _, what in run.events)


def test_a_connector_that_waits_long_is_not_waited_for(tmp_path: Path) -> None:
    with api() as url:
        found = report("WaitsLong", tmp_path, ["X11"], config={"api_url": url}, patience=6.0, timeout=3000.0)
    (result,) = found.results
    assert result.outcome is Outcome.WARNED, "\n".join(summary(found))
    assert "three answers of 500 it has not ended after" in result.findings[1].message
    assert "(--patience SECONDS)" in result.findings[1].message
    waiting = [run for run in found.recordings if run.acted is not None]
    assert len(waiting) >= 5
    ends = [run.began + run.seconds for run in waiting]
    assert any(run.began < end for run, end in zip(waiting[1:], ends, strict=False))  # while another one waits


def test_a_connector_that_hangs_is_no_connector_that_waits(tmp_path: Path) -> None:
    with api() as url:
        found = report("Hangs", tmp_path, ["X11"], config={"api_url": url}, patience=2.0, timeout=3000.0)
    (result,) = found.results
    assert result.outcome is Outcome.FAILED, "\n".join(summary(found))
    assert all("nor said a word: a wait is told" in finding.message for finding in result.findings)


def test_the_correct_connector_reads_much(tmp_path: Path) -> None:
    found = report("correct", tmp_path, only=["X6", "X7", "X18"], config={"size": 15_000})
    assert [result.outcome for result in found.results] == [Outcome.PASSED] * 3, "\n".join(summary(found))


def test_a_connector_that_infers_its_fields_passes(tmp_path: Path) -> None:
    with api() as url:
        found = report("Infers", tmp_path, only=["X13"], config={"api_url": url})
    assert [result.outcome for result in found.results] == [Outcome.PASSED], "\n".join(summary(found))
    assert any(run.what == "a new field, as found" for run in found.recordings)


def test_how_long_a_read_took_is_no_cursor(tmp_path: Path) -> None:
    found = report("Lookback", tmp_path, only=["F3", "X3", "X14"])
    assert [result.outcome for result in found.results] == [Outcome.PASSED] * 3, "\n".join(summary(found))


@pytest.mark.parametrize("check", ["F2", "X16"])
def test_the_state_from_which_something_is_lost_is_named(check: str, tmp_path: Path) -> None:
    found = report("After", tmp_path, only=[check])
    (said,) = re.findall(r"^users: .* \(that on line (\d+)\)", found.results[0].findings[0].message)
    first = next(run for run in found.recordings if run.what == "read from the beginning")
    (line,) = [line for line in first.lines() if line.number == int(said)]
    state = json.loads(line.raw)["state"]
    assert state["stream"]["stream_descriptor"] == {"name": "users"}
    resumed = found.results[0].findings[0].recording
    assert resumed is not None
    given = json.loads(Path(resumed.arguments[resumed.arguments.index("--state") + 1]).read_text())
    assert state["stream"] in [one["stream"] for one in given]
