"""JSON Web Tokens that we sign ourselves (RFC 7519)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.errors import ConfigError, SourceError
from headwater.http.auth import Auth, Bearer, reveal
from headwater.http.auth_renewed import Renewed, Sent
from headwater.secrets import Secret

_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


@dataclass(frozen=True)
class Jwt:
    """A token to sign.

    :ivar key: the shared secret, or a private key in PEM (also with ``\\n`` for its line breaks, as keys come out
        of a form or an environment variable).
    :ivar algorithm: HS256, HS384 or HS512; RS256, ES256 and the like with the extra ``headwater[jwt]``.
    :ivar claims: ``iss``, ``sub``, ``aud``, ``scope``, whatever the API wants; ``iat`` and ``exp`` are added.
    :ivar headers: beside ``alg`` and ``typ`` (``kid``).
    :ivar lasts: for how many seconds it holds.
    :ivar once: each token has an id (``jti``) of its own.
    """

    key: Secret | str = field(repr=False)
    algorithm: str = "HS256"
    claims: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    lasts: float = 600.0
    once: bool = False

    def signed(self) -> str:
        """A token from now on.

        :raises ConfigError: when the key does not fit the algorithm.
        :raises SourceError: when the algorithm is not known, or its extra not installed.
        """
        import hmac
        import secrets

        now = int(time.time())
        own = {"iat": now, "exp": now + int(self.lasts), **({"jti": secrets.token_hex(16)} if self.once else {})}
        claims = {**own, **self.claims}
        digest = _HASHES.get(self.algorithm)
        key = reveal(self.key)
        if digest is None:
            return _signed_with_pyjwt(claims, key, self.algorithm, self.headers)
        head = _base64(_json({"alg": self.algorithm, "typ": "JWT", **self.headers}))
        text = head + b"." + _base64(_json(claims))
        return (text + b"." + _base64(hmac.new(key.encode(), text, digest).digest())).decode()


class JwtBearer(Renewed):
    """A JWT that we sign, sent as a bearer token, and signed anew before it expires.

    :param sent: what is made of the token, where it is not a bearer's.
    """

    def __init__(self, jwt: Jwt, sent: Sent = Bearer) -> None:
        super().__init__()
        self._jwt, self._sent = jwt, sent

    def obtain(self) -> tuple[Auth, float]:
        """Sign one."""
        return self._sent(self._jwt.signed()), self._jwt.lasts


def _signed_with_pyjwt(claims: Mapping[str, Any], key: str, algorithm: str, headers: Mapping[str, Any]) -> str:
    needed = f"A JWT signed with {algorithm} needs PyJWT and cryptography: pip install 'headwater[jwt]'."
    try:
        import jwt
    except ImportError:
        raise SourceError(needed) from None
    if not algorithm.startswith(("RS", "ES", "PS", "Ed")):
        raise SourceError(f"A JWT can't be signed with {algorithm!r}. Known: HS256, RS256, ES256, PS256, EdDSA, ...")
    if key.lstrip().startswith("-----BEGIN"):
        key = key.replace("\\n", "\n")
    try:
        return jwt.encode(dict(claims), key, algorithm, headers=dict(headers))
    except NotImplementedError:  # PyJWT without cryptography, or an algorithm that there is not
        raise SourceError(needed) from None
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError(f"The key can't be used to sign with {algorithm}. Check it in the config.") from None


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
