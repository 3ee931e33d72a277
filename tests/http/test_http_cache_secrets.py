"""``--http-cache``: no credential on disk."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from headwater import HttpStream, Request
from headwater.http.cache_disk import OnDisk
from headwater.process.masking import Mask
from headwater.testing import Upstream
from headwater.testing.upstream import Received

from .cached import CANARY, KINDS, TOKEN, Orders, Runs, Shop, ids, run, shop

__all__ = ["run", "shop"]


def forms(secret: str) -> set[bytes]:
    """A secret in every encoding in which it might lie somewhere."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(),
             secret.encode("latin-1"), raw.hex().encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be"),
             repr(secret)[1:-1].encode(), raw[:12], base64.b64encode(raw), base64.urlsafe_b64encode(raw)}  # fmt: skip
    for prefix in (b"me:", b"xme:", b"x"):  # wherever it lies in a longer text
        found.add(base64.b64encode(prefix + raw)[5:-4])
    return {form for form in found if len(form) >= 8}


@pytest.mark.parametrize("kind", KINDS)
def test_no_credential_is_on_disk_in_any_encoding(run: Runs, shop: Upstream, kind: str) -> None:
    first = run("read", kind)
    assert sorted(ids(first)) == [1, 2, 3, 4]
    carried = str([(str(request), str(request.headers), request.body) for request in shop.requests])
    assert "sesame" in carried or "0815" in carried or base64.b64encode(CANARY.encode()).decode()[5:15] in carried
    files = [path for path in run.cache.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        for form in forms(CANARY) | forms(TOKEN):
            assert form not in content, (path, form)
            assert form.lower() not in content.lower(), (path, form)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(run.cache.stat().st_mode) == 0o700


def test_an_answer_that_repeats_a_credential_is_asked_for_again(run: Runs, shop: Upstream) -> None:
    messages = run("read", "param")
    asked = len(shop.requests)
    assert sorted(ids(run("read", "param"))) == [1, 2, 3, 4]
    assert len(shop.requests) == asked + 2  # the first pages, whose links repeat the key; the others are kept
    said = [m["log"]["message"] for m in messages if m["type"] == "LOG" and m["log"]["level"] == "WARN"]
    assert any(" is not kept: the answer repeats a credential" in text for text in said)
    assert "Sésame" not in str(messages)


def test_the_file_is_made_private_before_anything_is_in_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        OnDisk(str(tmp_path / "a" / "b"), Mask()).close()
        (tmp_path / "open.d").mkdir()
        (tmp_path / "open.d" / "answers.sqlite").touch(0o666)
        OnDisk(str(tmp_path / "open.d"), Mask()).close()
    finally:
        os.umask(old)
    for directory in ("a/b", "open.d"):
        assert stat.S_IMODE((tmp_path / directory / "answers.sqlite").stat().st_mode) == 0o600
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "answers.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="can't be used"):
        OnDisk(str(tmp_path / "link"), Mask())
    assert not (tmp_path / "elsewhere").exists()


def stored(directory: Path, body: bytes, mask: Mask, **headers: str) -> bool:
    """Whether an answer with this body is kept."""
    response = requests.Response()
    response.status_code, response.url = 200, "http://api.test/items?key=sesame"
    response.headers.update(headers)
    response.request = requests.Request("GET", "http://api.test/items").prepare()
    vars(response).update(_content=body, _content_consumed=True)
    shelf = OnDisk(str(directory), mask)
    shelf.keep("k", response, Request("items"), "items")
    found = shelf.get("k") is not None
    shelf.close()
    return found


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": "other"}', True),
        (b'{"a": "sesame-0815"}', False),
        (b'{"a": "https://x/?k=sesame-0815&y"}', False),
        (b'{"a": "' + base64.b64encode(b"me:sesame-0815") + b'"}', False),
        (b'{"a": "\\u0073esame-0815"}', False),
        ('{"a": "sesame-0815"}'.encode("utf-16"), False),
        (b'{"a": "sesame-0815', False),
        (b"\xff\xfe\x00\\", True),
    ],
)
def test_a_body_that_repeats_a_secret_is_not_kept(tmp_path: Path, body: bytes, kept: bool) -> None:
    assert stored(tmp_path, body, Mask(["sesame-0815"])) is kept


def test_a_header_that_repeats_a_secret_is_not_kept(tmp_path: Path) -> None:
    assert not stored(tmp_path, b"[]", Mask(["sesame-0815"]), Link="</x?key=sesame-0815>; rel=next")


class Whole(Orders):
    """Sends the secret as a parameter of its own."""

    name = "named"
    path = "secret"
    paginator = None

    def request(self, slice: Any) -> Request:
        assert isinstance(self.source, Shop)
        return super().request(slice).with_params(password=self.source.config.secret.reveal())


class Careless(Shop):
    """A shop whose author knows of no auth()."""

    def streams(self) -> list[HttpStream]:
        return [Orders(self), Whole(self)]


def assert_not_on_disk(directory: Path, *secrets: str) -> None:
    """In none of the files, in no form."""
    content = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert content
    assert not [form for secret in secrets for form in forms(secret) if form in content]


def test_a_secret_among_the_parameters_is_not_in_a_key(run: Runs, shop: Upstream) -> None:
    shop.on("/secret", json=[{"id": 9}])
    for _ in range(2):
        assert 9 in ids(run("read", "bearer", source=Careless))
    assert len(shop.asked("/secret")) == 1 and shop.asked("/secret")[0].query["password"] == CANARY
    assert_not_on_disk(run.cache, CANARY)


@pytest.mark.parametrize("kind", ["oauth", "session", "cookie"])
def test_a_token_that_was_got_on_the_way_is_not_on_disk_either(run: Runs, shop: Upstream, kind: str) -> None:
    def mirror(request: Received) -> Any:
        seen = [request.headers.get(name) for name in ("Authorization", "X-Session", "Cookie")]
        return [{"id": 9, "seen": str(seen)}]

    shop.on("/secret", body=mirror)
    messages = run("read", kind, source=Careless)
    assert TOKEN in str([m for m in messages if m["type"] == "RECORD"])
    assert_not_on_disk(run.cache, CANARY, TOKEN)
    assert TOKEN not in str([m for m in messages if m["type"] != "RECORD"])
