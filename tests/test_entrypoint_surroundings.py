"""A connector works in the barest surroundings, and leaves nothing behind."""

from __future__ import annotations

import codecs
import os
import subprocess
import time
from pathlib import Path

import pytest

from headwater.entrypoint import launch
from tests.connectors.process import PATIENCE, ROOT, TOY, Run, Toy, environment, execute
from tests.connectors.toy import ToySource
from tests.other_user import as_nobody, folder_of_nobody

BARE = {name: environment()[name] for name in ("PATH", "PYTHONPATH", "PYTHONPYCACHEPREFIX")}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def good(run: Run) -> None:
    assert (run.code, run.stderr) == (0, b"")
    assert len(run.records("numbers")) == 9
    assert run.statuses("numbers")[-1] == "COMPLETE"


class TestSurroundings:
    @pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", None])
    @pytest.mark.parametrize("unbuffered", ["1", None])
    def test_no_home_and_any_locale(self, toy: Toy, locale: str | None, unbuffered: str | None) -> None:
        variables = {"LC_ALL": locale, "PYTHONUNBUFFERED": unbuffered}
        env = {**BARE, **{name: value for name, value in variables.items() if value is not None}}
        good(execute(toy.arguments("read", "numbers"), env=env))
        run = execute(toy.arguments("read", "printing"), env=env)
        assert run.code == 0, run.logged
        assert "INFO printed ****" in run.logged

    def test_the_time_zone_does_not_matter(self, toy: Toy) -> None:
        runs = [
            execute(toy.arguments("read", "numbers"), env=environment(TZ=zone)) for zone in ("UTC", "Pacific/Auckland")
        ]
        assert runs[0].records("numbers") == runs[1].records("numbers")
        assert runs[0].states("numbers") == runs[1].states("numbers")

    @pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
    def test_closed_descriptors(self, toy: Toy, closed: str) -> None:
        arguments = toy.arguments("read", "numbers", "printing")
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *arguments],
            capture_output=True, env=environment(), cwd=ROOT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        good(Run(done.returncode, done.stdout, done.stderr))

    def test_a_closed_output(self, toy: Toy) -> None:
        arguments = toy.arguments("read", "numbers")
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *arguments],
            stderr=subprocess.PIPE, env=environment(), cwd=ROOT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (141, b"")

    def test_a_folder_that_is_read_only_or_gone(self, toy: Toy, tmp_path: Path) -> None:
        for name in ("locked", "gone"):
            folder = tmp_path / name
            folder.mkdir()
            folder.chmod(0o555)
            last = "rmdir ." if name == "gone" else "true"
            command = f'cd {folder}; {last} 2>/dev/null || rmdir {folder} 2>/dev/null; exec "$@"'
            good(execute(["sh", "-c", command, "sh", *toy.arguments("read", "numbers")]))

    def test_a_user_without_a_name(self) -> None:
        codecs.lookup("utf-8-sig")  # imported while it can be
        with folder_of_nobody() as folder:

            def work() -> None:
                arguments = Toy(folder).arguments("read", "numbers")[len(TOY) :]
                os.dup2(os.open(folder / "out", os.O_CREAT | os.O_WRONLY), 1)
                assert launch(ToySource, arguments) == 0, (folder / "out").read_text()

            assert as_nobody(work) == ""
            good(Run(0, (folder / "out").read_bytes(), b""))

    def test_relative_and_odd_file_names(self, toy: Toy, tmp_path: Path) -> None:
        odd = tmp_path / "a ä\nb"
        odd.mkdir()
        there = Toy(odd)
        arguments = [
            os.path.relpath(a, odd) if a.startswith(str(odd)) else a for a in there.arguments("read", "numbers")
        ]
        good(execute(arguments, cwd=odd))

    def test_a_fifo_is_a_file(self, toy: Toy) -> None:
        arguments = toy.arguments("read", "numbers")
        config = toy.folder / "config.json"
        text = config.read_bytes()
        config.unlink()
        os.mkfifo(config)
        with subprocess.Popen(["sh", "-c", f"cat > '{config}'"], stdin=subprocess.PIPE) as writer:
            assert writer.stdin is not None
            writer.stdin.write(text)
            writer.stdin.close()
            good(execute(arguments))

    def test_nothing_is_left_behind(self, toy: Toy, tmp_path: Path) -> None:
        here, temporary = tmp_path / "here", tmp_path / "tmp"
        here.mkdir()
        temporary.mkdir()
        arguments = toy.arguments("read", "numbers", "printing", "broken")
        run = execute(arguments, cwd=here, env=environment(TMPDIR=str(temporary)))
        assert run.code == 1
        assert list(here.iterdir()) == list(temporary.iterdir()) == []


def test_a_pipe_that_does_not_block(toy: Toy) -> None:
    """Some parents (node) share their non-blocking pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    popen = subprocess.Popen(toy.arguments("read", "chorus"), stdout=writer, env=environment(), cwd=ROOT)
    os.close(writer)
    read = bytearray()
    while data := os.read(reader, 20_000):
        read += data
        time.sleep(0.005)
    os.close(reader)
    run = Run(popen.wait(PATIENCE), bytes(read), b"")
    assert (run.code, len(run.records("chorus"))) == (0, 1500)


class TestValues:
    def test_torture(self, toy: Toy) -> None:
        run = toy.run("read", "values")
        assert (run.code, run.of("ERROR")) == (0, [])
        records = {record["data"]["name"]: record for record in run.of("RECORD")}
        assert records["int70"]["data"]["value"] == 2**70
        assert records["nan"]["data"]["value"] is None
        reason = {"field": "value", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}
        assert records["nan"]["meta"] == {"changes": [reason]}
        assert "meta" not in records["null"]
        assert records["null"]["data"] == {"name": "null", "value": None}
        assert records["separators"]["data"]["value"] == "a\u2028b\u2029c\u0085d"

    def test_wide_and_fat(self, toy: Toy) -> None:
        run = toy.run("read", "fat")
        assert run.code == 0
        wide, fat = run.records("fat")
        assert len(wide) == 5000
        assert fat["text"] == "€" * 7_000_000
