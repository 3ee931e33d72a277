"""The page of a report, read by a parser: it is well-formed, says everything, and shows the runs over time."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.checks import load
from headwater.acceptance.recording import Recording
from headwater.acceptance.reports.timeline import picture
from headwater.cli import main
from tests.acceptance.api import api
from tests.acceptance.suite import CONFIG, TOKEN, write
from tests.acceptance.test_command import command

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Its elements and texts; fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.pictures: list[list[tuple[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        self.outside += [value for name, value in given.items() if name in ("src", "xlink:href") or "//" in value]
        if tag == "svg":
            self.pictures.append([])
        elif "svg" in self.open and tag in ("rect", "line", "text"):
            self.pictures[-1].append((tag, given.get("class", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for inside, text in self.texts if inside == tag]

    @property
    def whole(self) -> str:
        return " ".join(text for _, text in self.texts)


def page(folder: Path, name: str, *words: str, config: Any = None) -> tuple[Page, str]:
    given = str(write(folder / "config.json", {**CONFIG, **(config or {})}))
    files = ["--html", str(folder / "report.html"), "--json", str(folder / "report.json")]
    main(["acceptance", "--command", command(name), "--config", given, *files, *words])
    text = (folder / "report.html").read_text()
    return Page(text), text


def test_it_is_whole_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    found, text = page(tmp_path, "Undeclared", "--only", "B1,E,X2")
    assert found.outside == []
    assert '<meta name="viewport"' in text
    assert len(set(found.ids)) == len(found.ids)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert found.links
    cells = found.of("td")
    assert all(id in cells for id in load() if id in ("B1", "X2") or id[0] == "E")
    assert "users: the field 'created_by' is not in the schema." in found.whole
    assert '"created_by": "me"' in " ".join(found.of("pre"))


def told_commands(folder: Path) -> list[str]:
    results = json.loads((folder / "report.json").read_text())["results"]
    return [finding["command"] for result in results for finding in result["findings"] if finding["command"]]


def test_the_connector_s_own_command_is_told_where_its_files_are_kept(tmp_path: Path) -> None:
    found, _ = page(tmp_path, "Undeclared", "--only", "E6")
    assert told_commands(tmp_path) == []
    assert "sed -n" not in found.whole
    found, _ = page(tmp_path, "Undeclared", "--only", "E6", "--keep", str(tmp_path / "keep"))
    assert told_commands(tmp_path)[0].endswith(" | sed -n 12p")
    assert told_commands(tmp_path)[0] in found.of("code")


def test_the_connector_s_own_command_has_its_surroundings(tmp_path: Path) -> None:
    page(tmp_path, "AnyOrder", "--only", "D13", "--keep", str(tmp_path / "keep"))
    (finding,) = json.loads((tmp_path / "report.json").read_text())["results"][0]["findings"]
    assert finding["command"].startswith("env PYTHONHASHSEED=4242 TZ=Pacific/Auckland ")
    shown = subprocess.run(finding["command"], shell=True, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(finding["excerpt"])


def test_what_takes_the_suite_to_be_seen_has_no_command_of_the_connector_s_own(tmp_path: Path) -> None:
    page(tmp_path, "NoHandler", "--only", "X4", "--keep", str(tmp_path / "keep"))
    assert told_commands(tmp_path) == []
    with api() as url:
        page(tmp_path, "ErrorIsEnd", "--only", "X11", "--keep", str(tmp_path / "more"), config={"api_url": url})
    (result,) = json.loads((tmp_path / "report.json").read_text())["results"]
    assert result["findings"]
    assert told_commands(tmp_path) == []
    assert result["reproduce"].endswith("--only X11")


def test_a_run_of_many_streams_says_how_many_are_left_out(tmp_path: Path) -> None:
    recording = Recording(1, ["read"], ["x"], tmp_path, code=0, seconds=1.0)
    lines = [{"type": "RECORD", "record": {"stream": f"stream {number:03}", "data": {}}} for number in range(100)]
    error = {"type": "ERROR", "error": {"message": "no", "stream_descriptor": {"name": "stream 099"}}}
    recording.stdout.write_text(
        "".join(json.dumps(line) + "\n" for line in [*lines, {"type": "TRACE", "trace": error}])
    )
    recording.took(recording.stdout.read_bytes(), 0.5)
    drawn = picture(recording, (), str)
    assert ">stream 000<" in drawn
    assert ">stream 080<" not in drawn
    assert ">stream 099<" in drawn  # something is wrong in it
    assert "and 41 more streams" in drawn


def test_the_runs_are_drawn(tmp_path: Path) -> None:
    found, _ = page(tmp_path, "Undeclared", "--only", "E6")
    (picture,) = found.pictures
    for mark in (("rect", "records"), ("line", "state"), ("line", "status"), ("line", "complete"), ("line", "finding")):
        assert mark in picture, mark
    assert {"users", "audit.logs", "plans", "empty", "(run)"} <= set(found.of("text"))
    titles = found.of("title")
    assert "users 45 records, 8 states" in titles
    assert any("line 12: users: the field 'created_by'" in title for title in titles)
    assert any(title.endswith(": STARTED") for title in titles)


def test_what_the_suite_did_is_drawn(tmp_path: Path) -> None:
    found, _ = page(tmp_path, "NoHandler", "--only", "X4")
    assert any("term after" in title for title in found.of("title"))
    assert [mark for picture in found.pictures for mark in picture].count(("line", "event")) >= 2


def test_what_looks_like_a_secret_is_in_no_report_though_the_specification_does_not_mark_it(tmp_path: Path) -> None:
    _, text = page(tmp_path, "OpenAndLogged", "--only", "C1,X10")
    assert "The specification does not mark it with" in text
    assert "with ****" in text
    assert TOKEN not in text + (tmp_path / "report.json").read_text()


@pytest.mark.parametrize("only", ["E1", "X10"])
def test_no_secret_is_in_a_report_and_what_a_connector_says_is_text(tmp_path: Path, only: str) -> None:
    found, text = page(tmp_path, "TellsToken", "--only", only)
    assert "<b>401</b> & no more for ****" in found.whole
    assert found.of("b") == []
    for written in (text, (tmp_path / "report.json").read_text(), found.whole):
        assert TOKEN not in written
        assert json.dumps(TOKEN)[1:-1] not in written


def test_runs_of_several_configurations_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "us.json", {**CONFIG, "region": "us"})
    tests = [{"config_path": "config.json", "empty_streams": ["empty"]}, {"config_path": "us.json"}]
    file = write(tmp_path / "acceptance-test-config.yml", {"acceptance_tests": {"basic_read": {"tests": tests}}})
    found, _ = page(tmp_path, "Undeclared", "--only", "E6", "--config-file", str(file))
    assert len(found.pictures) == 2
    assert len(set(found.ids)) == 2
    assert set(found.links) == {f"#{id}" for id in found.ids}


def test_a_command_of_another_folder_can_be_run_where_the_files_are_kept(tmp_path: Path) -> None:
    page(tmp_path, "LeavesFiles", "--only", "A10", "--keep", str(tmp_path / "keep"))
    (told,) = told_commands(tmp_path)
    assert told.startswith("(cd ")
    shown = subprocess.run(told, shell=True, capture_output=True, text=True, check=True, cwd="/")
    assert "SUCCEEDED" in shown.stdout
