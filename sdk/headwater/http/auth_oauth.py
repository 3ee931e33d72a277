"""OAuth 2: access tokens from a token endpoint, and where a config keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import ConfigError, TransientError
from headwater.http.auth import Auth, Basic, Bearer, reveal
from headwater.http.auth_renewed import Renewed, Sent, ask, body_of, refusal, seconds
from headwater.protocol.messages import Control
from headwater.secrets import Secret

if TYPE_CHECKING:
    from headwater.http.auth_jwt import Jwt
    from headwater.source import Source

_ENDPOINT = "The token endpoint"
_NEVER = 1e9


@dataclass(frozen=True)
class Tokens:
    """What a token endpoint gave.

    :ivar access_token: sent with requests.
    :ivar refresh_token: the one that counts from now on; None where there is none.
    :ivar expires: until when the access token holds.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires: datetime


class ConfigTokens:
    """Where in a source's config its tokens are kept: names joined by dots, Airbyte's usual ones by default.

    The next run begins with the tokens that this one ended with: new ones go out as a CONTROL message, which
    makes the platform replace the config, before they are used.

    :param access_token: empty: the config has no place for it; each run then begins by spending the refresh token.
    :param expires: until when the access token holds, as a date-time.
    """

    def __init__(
        self,
        source: Source,
        *,
        refresh_token: str = "credentials.refresh_token",  # noqa: S107 - a place
        access_token: str = "credentials.access_token",  # noqa: S107
        expires: str = "credentials.token_expiry_date",
    ) -> None:
        self._source = source
        self._refresh_token, self._access_token, self._expires = refresh_token, access_token, expires

    @property
    def refresh_token(self) -> str:
        """The config's.

        :raises ConfigError: when it has none.
        """
        found = _setting(self._source.config, self._refresh_token)
        if not found:
            raise ConfigError(f"config: setting `{self._refresh_token}` is required.")
        return str(found)

    @property
    def access_token(self) -> str | None:
        """The config's."""
        return _setting(self._source.config, self._access_token) or None

    @property
    def expires(self) -> Any:
        """The config's."""
        return _setting(self._source.config, self._expires)

    def keep(self, tokens: Tokens) -> None:
        """Tell the new ones, as a changed config."""
        changes: dict[str, Any] = {}
        told = (
            (self._refresh_token, tokens.refresh_token),
            (self._access_token, tokens.access_token),
            (self._expires, tokens.expires.strftime("%Y-%m-%dT%H:%M:%SZ")),
        )
        for path, value in told:
            *above, name = path.split(".")
            place = changes
            for step in above:
                place = place.setdefault(step, {})
            if name and value is not None:
                place[name] = value
        self._source.emit(Control(changes))


class TokenEndpoint(Renewed):
    """Access tokens of a token endpoint (RFC 6749); a child says with which form they are asked for."""

    def __init__(
        self,
        url: str,
        *,
        scopes: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
        sent: Sent = Bearer,
        timeout: float = 30.0,
        held: Auth | None = None,
        lasts: float = 0.0,
    ) -> None:
        super().__init__(held, lasts)
        self._url, self._timeout, self._sent = url, timeout, sent
        self._more = {**({"scope": " ".join(scopes)} if scopes else {}), **(more or {})}

    def form(self) -> dict[str, str]:
        """What is sent to the endpoint."""
        raise NotImplementedError(f"{type(self).__name__} needs a form().")

    def client(self) -> Callable[..., Any] | None:
        """How the client says who it is, where that is not in the form."""
        return None

    def got(self, tokens: Tokens) -> None:
        """Called with each answer, before its token is used."""

    def obtain(self) -> tuple[Auth, float]:
        """Ask the endpoint."""
        body = self._answer({**self.form(), **self._more})
        access, fresh = str(body["access_token"]), body.get("refresh_token")
        lasts = seconds(body.get("expires_in"))
        expires = datetime.now(timezone.utc) + timedelta(seconds=lasts)
        self.got(Tokens(access, fresh if isinstance(fresh, str) and fresh else None, expires))
        return self._sent(access), lasts

    def _answer(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The token endpoint's answer; it holds an ``access_token``."""
        client = self.client()
        response = ask(
            _ENDPOINT, "POST", self._url, data=form, headers={"Accept": "application/json"}, timeout=self._timeout,
            **({"auth": client} if client is not None else {}),
        )  # fmt: skip
        status, body = response.status_code, body_of(response)
        reason = str(body["error"]) if isinstance(body.get("error"), str) else "no reason given"
        if 200 <= status < 300 and isinstance(body.get("access_token"), str):
            return body
        if reason in ("temporarily_unavailable", "server_error") or (status == 200 and not body):
            raise TransientError(f"{_ENDPOINT} gives none now ({status}, {reason}).")
        raise refusal(_ENDPOINT, response, reason)


class OAuth2(TokenEndpoint):
    """An access token got with a refresh token or with client credentials (RFC 6749, sections 6 and 4.4),
    renewed a minute before it expires and after a 401.

    ::

        OAuth2(url, client_id=..., client_secret=..., tokens=ConfigTokens(self))

    :param url: the token endpoint.
    :param refresh_token: None for client credentials.
    :param access_token: one that there is already: used until ``expires``, or until it is refused, so that a
        refresh token which is good for one use is not spent at each run.
    :param expires: until when it holds: a datetime, or its text in ISO 8601; None: not known.
    :param tokens: where the config keeps all three, instead of the three; new ones are told.
    :param rotated: called with every new :class:`Tokens`, before they are used: the place to keep them, since
        the old refresh token may be worthless from then on. ``tokens`` does it by itself.
    :param scopes: asked for, where the API wants it.
    :param in_header: the client's id and secret go in an ``Authorization`` header (RFC 6749, 2.3.1), else in
        the form.
    :param more: further fields of the form (``audience``).
    :param sent: what is made of the access token, where it is not a bearer's.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: Secret | str,
        client_secret: Secret | str,
        refresh_token: Secret | str | None = None,
        access_token: Secret | str | None = None,
        expires: datetime | str | None = None,
        tokens: ConfigTokens | None = None,
        rotated: Callable[[Tokens], None] | None = None,
        scopes: Sequence[str] = (),
        in_header: bool = False,
        more: Mapping[str, str] | None = None,
        sent: Sent = Bearer,
        timeout: float = 30.0,
    ) -> None:
        if tokens is not None:
            refresh_token, access_token, expires = tokens.refresh_token, tokens.access_token, tokens.expires
            rotated = rotated or tokens.keep
        held = sent(reveal(access_token)) if access_token else None
        super().__init__(
            url, scopes=scopes, more=more, sent=sent, timeout=timeout, held=held, lasts=_left(expires) if held else 0.0
        )
        self._client = {"client_id": reveal(client_id), "client_secret": reveal(client_secret)}
        self._refresh_token = reveal(refresh_token) if refresh_token is not None else None
        self._rotated = rotated
        self._in_header = in_header

    def form(self) -> dict[str, str]:
        """The refresh token, or that the client asks for itself."""
        form = {} if self._in_header else dict(self._client)
        if self._refresh_token is None:
            return {**form, "grant_type": "client_credentials"}
        return {**form, "grant_type": "refresh_token", "refresh_token": self._refresh_token}

    def client(self) -> Callable[..., Any] | None:
        """Id and secret, where they go in a header."""
        return Basic(self._client["client_id"], self._client["client_secret"]) if self._in_header else None

    def got(self, tokens: Tokens) -> None:
        """Keep the refresh token, and have all kept."""
        if self._refresh_token is not None and tokens.refresh_token is not None:
            self._refresh_token = tokens.refresh_token
        if self._rotated is not None:
            self._rotated(Tokens(tokens.access_token, self._refresh_token, tokens.expires))


class JwtGrant(TokenEndpoint):
    """An access token got with a JWT that we sign (RFC 7523, 2.1), as Google's service accounts do.

    :param url: the token endpoint.
    :param jwt: the assertion; a new one is signed for each access token.
    :param scopes: asked for in the form; some APIs want them as a claim instead.
    """

    def __init__(
        self,
        url: str,
        jwt: Jwt,
        *,
        scopes: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
        sent: Sent = Bearer,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(url, scopes=scopes, more=more, sent=sent, timeout=timeout)
        self._jwt = jwt

    def form(self) -> dict[str, str]:
        """The assertion."""
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._jwt.signed()}


def _left(expires: Any) -> float:
    """For how many seconds a token still holds; for ever, as far as is known, where its end is not."""
    if isinstance(expires, str):
        try:
            expires = msgspec.convert(expires.strip().replace(" ", "T", 1), datetime)
        except msgspec.ValidationError:
            return _NEVER
    if not isinstance(expires, datetime):
        return _NEVER
    known = expires if expires.tzinfo else expires.replace(tzinfo=timezone.utc)
    return known.timestamp() - time.time()


def _setting(config: Any, path: str) -> Any:
    """A config's setting by its name in the file; None where there is none."""
    for name in filter(None, path.split(".")):
        if isinstance(config, msgspec.Struct):
            names = {found.encode_name: found.name for found in msgspec.structs.fields(config)}
            config = getattr(config, names[name]) if name in names else None
        else:
            config = config.get(name) if isinstance(config, Mapping) else None
    return (config.reveal() if isinstance(config, Secret) else config) if path else None
