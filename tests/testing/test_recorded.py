"""Answers of an API, recorded once and read without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater import Bearer, Config, LinkHeader, Request, Secret, Slice
from headwater.testing import Upstream, read, recorded
from tests.http.apis import Api, Items


class Tokened(Config):
    """With a secret."""

    token: Secret


class Orders(Items):
    """Two pages, the first asked for with a header."""

    paginator = LinkHeader()

    def request(self, slice: Slice) -> Request:
        return Request("items", {"size": 2, "kind": ["a", "b"]}, {"Accept": "application/json"})


def source(url: str) -> Api:
    """With a token."""
    made = Api(url, Orders, auth=Bearer("t0p-secret"))
    made.config = Tokened(token=Secret("t0p-secret"))
    return made


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A recording of two pages, and the URL that it is of, where nobody listens any more."""
    file = tmp_path / "made" / "orders.json"
    with Upstream() as api:
        api.on("/items", query={"page": None}, json=[{"id": 1, "n": 1.0}], headers={"Link": '<?page=2>; rel="next"'})
        api.on("/items", query={"page": "2"}, json=[{"id": 2, "text": "ä\u2028"}], headers={"Set-Cookie": "a=b"})
        monkeypatch.setenv("HEADWATER_RECORD", "1")
        with recorded(source(api.url), file) as made:
            assert len(read(made).ok().records["items"]) == 2
        monkeypatch.delenv("HEADWATER_RECORD")
        assert made.answers is None
    return file, api.url


def test_a_recording_needs_neither_network_nor_server(recording: Any) -> None:
    file, url = recording
    with recorded(source(url), file) as made:
        assert read(made).ok().records["items"] == [{"id": 1, "n": 1.0}, {"id": 2, "text": "ä\u2028"}]


def test_it_can_be_read_by_people_and_holds_no_credentials(recording: Any) -> None:
    file, url = recording
    text = file.read_text()
    assert "t0p" not in text and "Authorization" not in text and "a=b" not in text
    lines = [entry["request"] for entry in json.loads(text)]
    assert lines[0].startswith(f"GET {url}/items?kind=a&kind=b&size=2 #")
    assert lines[1].startswith(f"GET {url}/items?page=2")


def test_what_is_not_there_is_named(recording: Any) -> None:
    file, url = recording
    file.write_text(json.dumps(json.loads(file.read_text())[:1]))
    with recorded(source(url), file) as made:
        (trace,) = read(made).traces
    assert f"has no answer to GET {url}/items" in trace.message  # errors show no query
    assert "HEADWATER_RECORD=1" in trace.message


def test_one_that_is_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text(json.dumps([{"request": "GET https://api.test/items", "body": [{"id": 1}]}]))
    with recorded(Api("https://api.test"), file) as made:
        assert read(made).ok().records["items"] == [{"id": 1}]
    file.write_text(json.dumps([{"request": "GET https://api.test/items", "status": 404, "body": "gone"}]))
    with recorded(Api("https://api.test"), file) as made:
        assert read(made).traces[0].failure_type == "config_error"


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is not JSON"), ("{}", "must be a list of objects with a `request` each"), (None, "is not there")],
)
def test_a_file_that_is_none(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "items.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Exception, match=says), recorded(Api("https://api.test"), file):
        pass


def test_an_answer_with_a_secret_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HEADWATER_RECORD", "1")
    file = tmp_path / "items.json"
    with Upstream() as api:
        api.on("/items", json=[{"id": 1, "you_sent": "Bearer t0p-secret"}])
        with recorded(source(api.url), file) as made:
            read(made).ok()
    assert json.loads(file.read_text()) == []
    assert "is not recorded: the answer repeats a credential" in caplog.text


def test_bytes_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raw(Items):
        def parse(self, response: Any, slice: Slice) -> Any:
            return [{"bytes": response.content.hex()}]

    monkeypatch.setenv("HEADWATER_RECORD", "1")
    file = tmp_path / "items.json"
    with Upstream() as api:
        api.on("/items", body=b"\xff\x00\x80")
        with recorded(Api(api.url, Raw), file) as made:
            read(made).ok()
    monkeypatch.delenv("HEADWATER_RECORD")
    with recorded(Api(api.url, Raw), file) as made:
        assert read(made).ok().records["items"] == [{"bytes": "ff0080"}]
