"""What a connector's spec marks as secret is in no log, whatever it is called; the spec is asked once for all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from headwater.bridge.foreign import VenvSource
from headwater.bridge.runners import environments

MODULE = """
import json, sys

def say(**message):
    print(json.dumps(message), flush=True)

def run():
    with open(%r, "a") as file:
        file.write(sys.argv[1] + "\\n")
    if sys.argv[1] == "spec":
        word = {"type": "string", "airbyte_secret": True}
        say(type="SPEC", spec={"connectionSpecification": {"type": "object", "properties": {"word": word}}})
        return
    config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
    sys.stderr.write("The word is %%s.\\n" %% config["word"])
    say(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
"""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution on a shelf, and the file of the commands that it was run with."""
    ran, info = tmp_path / "ran", "source_words-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "source_words-1.0-py3-none-any.whl", "w") as file:
        file.writestr("source_words.py", MODULE % str(ran))
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: source-words\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/entry_points.txt", "[console_scripts]\nsource-words = source_words:run\n")
        file.writestr(f"{info}/RECORD", "")
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setenv(environments.CACHE, str(tmp_path / "cache"))
    return ran


class Words(VenvSource):
    requirement = "source-words==1.0"


def test_what_the_spec_marks_is_hidden(said: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for word in ("swordfish", "xyzzy-plugh"):
        Words({"word": word}).check()
        assert word not in caplog.text
    assert caplog.text.count("The word is ****.") == 2
    assert said.read_text().split() == ["spec", "check", "check"]
