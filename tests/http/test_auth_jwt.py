"""JWTs that we sign, and what they are sent as."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from headwater import ApiKey, ConfigError, Jwt, JwtBearer, JwtGrant, Secret, SourceError
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, left_of

GOOD = [{"id": 1}]


def opened(token: str, key: str, digest: Any = hashlib.sha256) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature is right (RFC 7515, A.1, done by hand)."""
    head, body, signature = token.split(".")
    right = hmac.new(key.encode(), f"{head}.{body}".encode(), digest).digest()
    assert signature == base64.urlsafe_b64encode(right).decode().rstrip("=")
    assert "=" not in token
    decoded = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body)]
    return decoded[0], decoded[1]


@pytest.mark.parametrize("bits", [256, 384, 512])
def test_a_token_of_a_shared_secret(bits: int) -> None:
    began = time.time()
    jwt = Jwt(Secret("sésame"), f"HS{bits}", {"iss": "me", "iat": 5}, {"kid": "k1"}, lasts=90)
    head, claims = opened(jwt.signed(), "sésame", getattr(hashlib, f"sha{bits}"))
    assert head == {"alg": f"HS{bits}", "typ": "JWT", "kid": "k1"}
    assert claims["iss"] == "me" and claims["iat"] == 5 and left_of(90, began, claims["exp"] - time.time())
    assert "sésame" not in repr(jwt)


def test_pyjwt_reads_it() -> None:
    jwt = pytest.importorskip("jwt")
    token = Jwt("k" * 32, claims={"sub": "ü"}).signed()
    assert jwt.decode(token, "k" * 32, algorithms=["HS256"])["sub"] == "ü"


def test_each_one_has_an_id_where_it_is_for_one_use() -> None:
    jwt = Jwt("k", once=True)
    first, second = (opened(jwt.signed(), "k")[1]["jti"] for _ in range(2))
    assert first != second


def test_a_token_is_sent_as_a_bearers_and_signed_again_in_time(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    now = 1000.0
    monkeypatch.setattr("headwater.http.auth_renewed.time", SimpleNamespace(monotonic=lambda: now))

    def answer(request: Received) -> Any:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return GOOD

    api.on("/items", body=answer)
    source = Api(api.url, auth=JwtBearer(Jwt("k", claims={"iss": "me"}, lasts=90.0, once=True)))
    read(source).ok()
    now += 44
    read(source).ok()
    now += 2
    read(source).ok()
    assert seen[0] == seen[1] != seen[2]
    assert opened(seen[2], "k")[1]["iss"] == "me"


def test_a_token_that_is_refused_is_signed_again_once(api: Upstream) -> None:
    api.on("/items", status=401)
    assert read(Api(api.url, auth=JwtBearer(Jwt("k", once=True)))).traces[0].failure_type == "config_error"
    assert len(api.requests) == 2


def test_a_token_elsewhere(api: Upstream) -> None:
    api.on("/items", json=GOOD)
    read(Api(api.url, auth=JwtBearer(Jwt("k"), sent=lambda token: ApiKey(token, header="X-Jwt")))).ok()
    assert opened(api.requests[0].headers["X-Jwt"], "k") and api.requests[0].headers["Authorization"] is None


def test_an_access_token_for_an_assertion(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1", "expires_in": 3600})
    api.on("/items", body=lambda r: Answer(200 if r.headers["Authorization"] == "Bearer t1" else 401, body=b"[]"))
    claims = {"iss": "me@acme.test", "aud": f"{api.url}/token"}
    source = Api(api.url, auth=JwtGrant(f"{api.url}/token", Jwt("k", claims=claims), scopes=["a", "b"]))
    for _ in range(2):
        read(source).ok()
    (asked,) = api.asked("/token")
    assert asked.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert asked.form["scope"] == "a b"
    assert opened(asked.form["assertion"], "k")[1]["iss"] == "me@acme.test"


def test_an_algorithm_that_there_is_not() -> None:
    pytest.importorskip("jwt")
    with pytest.raises(SourceError, match="none"):
        Jwt("k", "none").signed()


def test_an_algorithm_without_its_extra() -> None:
    code = """
import sys
sys.modules["cryptography"] = None
from headwater import Jwt
Jwt("k", "RS256").signed()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SourceError" in done.stderr.splitlines()[-1]
    assert "headwater[jwt]" in done.stderr.splitlines()[-1]


def test_a_private_key() -> None:
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="needs headwater[jwt]")
    jwt = pytest.importorskip("jwt")
    from cryptography.hazmat.primitives import serialization

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for key in (pem, pem.replace("\n", "\\n")):
        token = Jwt(key, "RS256", {"iss": "me"}, {"kid": "k1"}).signed()
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        assert jwt.decode(token, private.public_key(), algorithms=["RS256"])["iss"] == "me"
    with pytest.raises(ConfigError, match="key can't be used") as caught:
        Jwt("-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----", "RS256").signed()
    assert "sesame" not in str(caught.value)
