"""The GitHub connector: host, credentials, quota, and which repositories are meant."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headwater import (
    Auth,
    ConfigError,
    HttpSource,
    LinkHeader,
    RetryPolicy,
    RotatingTokens,
    SkipSlice,
    Slice,
    Stream,
    TransientError,
)
from headwater.http.decode import place
from headwater.http.limits import retry_after
from source_github import streams
from source_github.config import GithubConfig, OAuthCredentials, migrated

if TYPE_CHECKING:
    from requests import Response
    from typing_extensions import Self


@dataclass(frozen=True)
class Repository:
    """A repository as GitHub spells it."""

    full_name: str
    default_branch: str


class GithubSource(HttpSource):
    """GitHub, by its REST API (https://docs.github.com/en/rest)."""

    name = "github"
    documentation_url = "https://docs.github.com/en/rest"
    config: GithubConfig
    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "headwater-source-github",  # GitHub refuses requests without one
    }
    paginator = LinkHeader()
    retry = RetryPolicy(longest_wait=5 * 3600.0)  # max_waiting_time is the limit, see raise_for_status

    @classmethod
    def from_config(cls, value: Any) -> Self:
        """As :meth:`Source.from_config`, also for configs of older versions of Airbyte's source."""
        return super().from_config(migrated(value))

    def base_url(self) -> str:
        """``api_url``; without TLS only on this machine, as the token would be readable on the way."""
        url = self.config.api_url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("config: setting `api_url` must be a URL like https://api.github.com.")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ConfigError("config: setting `api_url` must begin with https://.")
        return url

    def auth(self) -> Auth:
        """The configured tokens, in turn."""
        credentials = self.config.credentials
        secret = (
            credentials.access_token if isinstance(credentials, OAuthCredentials) else credentials.personal_access_token
        )
        tokens = [token.strip() for token in secret.reveal().split(",") if token.strip()]
        if not tokens:
            raise ConfigError("config: setting `credentials` holds no token.")
        return RotatingTokens(tokens, quota=_quota, scheme="token")

    def raise_for_status(self, response: Response) -> None:
        """GitHub's own meanings: quotas (which come as 403 too), empty repositories, features turned off."""
        status = response.status_code
        if status < 400:
            return
        said = _message(response)
        if status in (403, 429) and (wait := _wait(response, said)) is not None:
            if wait > self.config.max_waiting_time * 60:
                raise TransientError(
                    f"GitHub's quota comes back in {wait / 60:.0f} minutes, later than max_waiting_time allows.",
                    retry_after=float("inf"),
                )
            raise TransientError("GitHub's quota is used up.", rate_limited=True, retry_after=wait)
        if status == 409 and "empty" in said.lower():
            raise SkipSlice(f"{place(response)}: the repository is empty.")
        if status == 410 or "disabled" in said.lower():
            raise SkipSlice(f"{place(response)}: this is turned off for the repository ({said or status}).")
        if status == 451:
            raise SkipSlice(f"{place(response)}: GitHub has blocked the repository (451).")
        if status == 403 and urlsplit(str(response.url)).path.endswith("/collaborators"):
            raise SkipSlice(f"{place(response)}: only who may push to the repository can see this.")
        if status == 404:
            raise ConfigError(
                f"{place(response)}: not found (404). The repository does not exist, or the token can't see it: "
                "check `repositories` and the token's access."
            )
        super().raise_for_status(response)

    def streams(self) -> Iterable[Stream]:
        """All streams, in the order of their names in Airbyte's source."""
        return [kind(self) for kind in streams.ALL]

    def check(self) -> None:
        """Look up every configured repository and pattern; the message names those that are not there."""
        with self.transport.impatient():
            for pattern in self.config.repositories:
                if next(iter(self.find(pattern)), None) is None:
                    raise ConfigError(f"config: no repository matches {pattern!r} in `repositories`.")

    # --- for the streams ---------------------------------------------------------------------------------

    def find(self, pattern: str) -> Iterator[Mapping[str, Any]]:
        """GitHub's own objects of the repositories that an entry of ``repositories`` stands for."""
        owner, name = pattern.split("/", 1)
        if "*" not in name:
            yield self.get(f"repos/{owner}/{name}")
            return
        try:
            yield from self._owned("orgs", owner, name)
        except ConfigError:  # not an organization: a user
            yield from self._owned("users", owner, name)

    def _owned(self, kind: str, owner: str, name: str) -> Iterator[Mapping[str, Any]]:
        for found in streams.OwnedRepositories(self).read(Slice({"kind": kind, "owner": owner})):
            if fnmatchcase(str(found["name"]).lower(), name.lower()):
                yield found

    @cached_property
    def repositories(self) -> list[Repository]:
        """The configured repositories, each once. One that is not found stays under its configured name, so
        that the others are read and its own slice tells what is wrong."""
        found: dict[str, Repository] = {}
        for pattern in self.config.repositories:
            try:
                objects = list(self.find(pattern))
            except ConfigError:
                objects = [{"full_name": pattern}] if "*" not in pattern else []
                if not objects:
                    raise
            for item in objects:
                name = str(item["full_name"])
                found.setdefault(name, Repository(name, str(item.get("default_branch") or "main")))
        return list(found.values())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _quota(response: Response) -> tuple[int, float] | None:
    """Requests left, and the epoch second of the reset (GitHub: "Rate limits for the REST API")."""
    try:
        return (
            int(response.headers["x-ratelimit-remaining"]),
            float(response.headers["x-ratelimit-reset"]),
        )
    except (KeyError, ValueError):
        return None


def _wait(response: Response, said: str) -> float | None:
    """Seconds until GitHub wants to be asked again; None where the answer is not about a limit."""
    asked = retry_after(response)
    if asked is not None:
        return asked
    quota = _quota(response)
    if quota is not None and quota[0] <= 0:
        return max(1.0, quota[1] - time.time())
    if response.status_code == 429 or "rate limit" in said.lower():
        return 60.0  # what GitHub advises where it names no time
    return None


def _message(response: Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return ""
    return str(body.get("message", "")) if isinstance(body, dict) else ""
