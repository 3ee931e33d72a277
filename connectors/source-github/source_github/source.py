"""The GitHub connector: host, credentials, quota, and which repositories are meant."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headwater import (
    Auth,
    ConfigError,
    Fault,
    HttpSource,
    HttpStream,
    LinkHeader,
    Manners,
    RetryPolicy,
    RotatingTokens,
    SkipSlice,
    Slice,
    Stream,
    TransientError,
)
from source_github import streams
from source_github.config import GithubConfig, OAuthCredentials, migrated

if TYPE_CHECKING:
    from requests import Response
    from typing_extensions import Self

log = logging.getLogger("headwater")


@dataclass(frozen=True)
class Repository:
    """A repository as GitHub spells it."""

    full_name: str
    default_branch: str


class OwnedRepositories(HttpStream):
    """All repositories of an organization or a user; not a stream of the catalog."""

    name = "owned_repositories"
    path = "{kind}/{owner}/repos"
    params = {"per_page": 100, "type": "all"}


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
    manners = Manners(
        retry=RetryPolicy(longest_wait=5 * 3600.0),  # max_waiting_time is the limit, see raise_for_status
        faults=(
            # 60 seconds are what GitHub advises where it names no time; its quotas come as 403 too
            Fault("wait", "GitHub's quota is used up", status=(403, 429), limited=True, seconds=60.0),
            Fault("wait", "GitHub's quota is used up", status=(403, 429), text="rate limit", seconds=60.0),
            Fault("wait", "GitHub's quota is used up", status=429, seconds=60.0),
            Fault("skip", "the repository is empty", status=409, text="empty"),
            Fault("skip", "this is turned off for the repository", status=410),
            Fault("skip", "this is turned off for the repository", text=r'"message":[^}]*disabled'),
            Fault("skip", "GitHub has blocked the repository", status=451),
            Fault("skip", "only who may push to the repository can see this", status=403, path="/collaborators$"),
            Fault(
                "config_error",
                "not found. The repository (its owner, its branch) does not exist, or the token can't see it: check "
                "`repositories`, `branches` and the token's access",
                status=404,
            ),
        ),
    )

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
        """The configured tokens."""
        credentials = self.config.credentials
        secret = (
            credentials.access_token if isinstance(credentials, OAuthCredentials) else credentials.personal_access_token
        )
        tokens = [token.strip() for token in secret.reveal().split(",") if token.strip()]
        if not tokens:
            raise ConfigError("config: setting `credentials` holds no token.")
        return RotatingTokens(tokens, scheme="token")

    def raise_for_status(self, response: Response) -> None:
        """As :attr:`manners` says, but for a quota that comes back later than the config allows to wait."""
        try:
            super().raise_for_status(response)
        except TransientError as error:
            if error.rate_limited and (error.retry_after or 0.0) > self.config.max_waiting_time * 60:
                minutes = (error.retry_after or 0.0) / 60
                raise TransientError(
                    f"GitHub's quota comes back in {minutes:.0f} minutes, later than max_waiting_time allows.",
                    retry_after=float("inf"),
                ) from error
            raise

    def streams(self) -> Iterable[Stream]:
        """All streams, in the order of their names in Airbyte's source."""
        return [kind(self) for kind in streams.ALL]

    def check(self) -> None:
        """Look up every configured repository and pattern, the first one with each of the tokens, and every branch;
        the message names what is not there, or which of the tokens is refused."""
        with self.transport.impatient():
            for _ in self.transport.credentials():
                self._look_up(self.config.repositories[0])
            for pattern in self.config.repositories[1:]:
                self._look_up(pattern)
            self._look_up_branches()

    def _look_up(self, pattern: str) -> None:
        if next(iter(self.find(pattern)), None) is None:
            raise ConfigError(f"config: no repository matches {pattern!r} in `repositories`.")

    def _look_up_branches(self) -> None:
        """As the stream of commits asks for them."""
        for entry in self.config.branches:
            owner, _, rest = entry.partition("/")
            name, _, branch = rest.partition("/")
            repository = f"{owner}/{name}".lower()
            if not branch or not any(fnmatchcase(repository, pattern.lower()) for pattern in self.config.repositories):
                log.warning("Not read, as it is in none of `repositories`: %s (in `branches`).", entry)
                continue
            try:
                with suppress(SkipSlice):  # the repository is empty, or is not open to us
                    self.get(f"repos/{owner}/{name}/commits", sha=branch, per_page=1)
            except ConfigError as error:
                raise ConfigError(f"config: {entry!r} in `branches`: {error.message}") from error

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
        for found in OwnedRepositories(self).read(Slice({"kind": kind, "owner": owner})):
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
