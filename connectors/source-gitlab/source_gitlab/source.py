"""The GitLab connector: host, credentials, limits, and which groups and projects are meant."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from headwater import (
    Auth,
    Bearer,
    ConfigError,
    ConfigTokens,
    Fault,
    HttpSource,
    LinkHeader,
    Manners,
    OAuth2,
    SkipSlice,
    Slice,
    Stream,
)
from headwater.http.decode import place
from source_gitlab.config import GitlabConfig, OAuthCredentials
from source_gitlab.streams import ALL, Descendants, Found, GitlabStream, GroupProjects, OwnGroups

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger("headwater")

# Which of a project's features a resource belongs to, as GitLab names its access level.
_FEATURES = {
    "issues": "issues",
    "merge_requests": "merge_requests",
    "repository": "repository",
    "pipelines": "builds",
    "releases": "releases",
}
_RESOURCE = re.compile(r"/projects/(\d+)/(\w+)")


class GitlabSource(HttpSource):
    """GitLab, by its REST API (https://docs.gitlab.com/api/rest/)."""

    name = "gitlab"
    documentation_url = "https://docs.gitlab.com/api/rest/"
    config: GitlabConfig
    paginator = LinkHeader()
    manners = Manners(
        faults=(
            Fault("config_error", "the token needs the scope read_api", status=(401, 403), text="insufficient_scope"),
            Fault(
                "config_error",
                "not found. It does not exist, or the token can't see it: check `groups_list`, `projects_list` and the "
                "token's access",
                status=404,
            ),
        )
    )

    @cached_property
    def root(self) -> str:
        """The server's URL, of which ``api_url`` may be the host alone, or the whole with the API's path."""
        url = self.config.api_url.strip()
        url = re.sub(r"(/api/v\d+)?/*$", "", url if "://" in url else f"https://{url}")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ConfigError("config: setting `api_url` must be a host or a URL, like https://gitlab.com.")
        return url

    def base_url(self) -> str:
        """Version 4 of the API, the only one there is."""
        return f"{self.root}/api/v4"

    def auth(self) -> Auth:
        """The configured token, or those that OAuth gives."""
        credentials = self.config.credentials
        if credentials is None:
            raise ConfigError("config: setting `credentials` is required.")
        if not isinstance(credentials, OAuthCredentials):
            return Bearer(credentials.access_token)
        return OAuth2(
            f"{self.root}/oauth/token",
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
            tokens=ConfigTokens(self),
        )

    def raise_for_status(self, response: Response) -> None:
        """As :attr:`manners` says, but for features that a project does not have."""
        status = response.status_code
        if status in (403, 404) and (reason := self._absent(str(response.url))):
            raise SkipSlice(f"{place(response)}: {reason} ({status}).")
        super().raise_for_status(response)

    def _absent(self, url: str) -> str | None:
        """Why a project's resource is refused, where the project itself says why."""
        found = _RESOURCE.search(urlsplit(url).path)
        project = self.projects.get(int(found[1])) if found else None
        if found is None or not isinstance(project, Mapping):
            return None
        level = project.get(f"{_FEATURES.get(found[2])}_access_level")
        if level == "disabled":
            return "this is turned off for the project"
        if level == "private":
            return "this is for the project's members alone"
        return "the repository is empty" if found[2] == "repository" and project.get("empty_repo") else None

    def streams(self) -> Iterable[Stream]:
        """All streams."""
        return [kind(self) for kind in ALL]

    def check(self) -> None:
        """Look up every configured group and project; the message names the first that is not there."""
        with self.transport.impatient():
            for kind, names in (("groups", self.config.groups_list), ("projects", self.config.projects_list)):
                for name in names:
                    self._one(kind, name)
            if not self.config.groups_list and not self.config.projects_list:
                self.get("user")

    # --- for the streams ---------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> dict[Any, Found | ConfigError]:
        """The configured groups and all below them, by id; without any, those of the token's user. A group
        that is not found stays, behind the others, with what its slice has to tell."""
        every = dict(self._roots)
        for ident, root in self._roots.items():
            if not isinstance(root, ConfigError):
                every.update({item["id"]: item for item in self._listed(Descendants, id=ident)})
        return _in_order(every)

    @cached_property
    def projects(self) -> dict[Any, Found | ConfigError]:
        """The configured projects, by id, likewise: those of the groups and their subgroups, those that are
        listed, or, where there are both, those that are listed and in the groups."""
        names = self.config.projects_list
        if names and not self.config.groups_list:
            return self._looked_up("projects", names)
        found: dict[Any, Found | ConfigError] = {}
        for ident, root in self._roots.items():
            if isinstance(root, ConfigError):
                found[ident] = root
            else:
                found.update({item["id"]: item for item in self._listed(GroupProjects, id=ident)})
        return _in_order(dict(_named(found, names)) if names else found)

    @cached_property
    def _roots(self) -> dict[Any, Found | ConfigError]:
        if self.config.groups_list:
            return self._looked_up("groups", self.config.groups_list)
        listed = {item["id"]: item for item in self._listed(OwnGroups)}
        return {ident: item for ident, item in listed.items() if item.get("parent_id") not in listed}

    def _looked_up(self, kind: str, names: Iterable[str]) -> dict[Any, Found | ConfigError]:
        found: dict[Any, Found | ConfigError] = {}
        for name in names:
            try:
                item = self._one(kind, name)
                found[item["id"]] = item
            except ConfigError as error:
                found[name] = error
        return _in_order(found)

    def _one(self, kind: str, name: str) -> Found:
        found: Found = self.get(f"{kind}/{quote(name, safe='')}")
        return found

    def _listed(self, kind: type[GitlabStream], **partition: Any) -> Iterator[Found]:
        return kind(self).read(Slice(partition))


def _in_order(found: dict[Any, Found | ConfigError]) -> dict[Any, Found | ConfigError]:
    """What was not found at the end: its failure must not keep the others from being read."""
    return dict(sorted(found.items(), key=lambda pair: isinstance(pair[1], ConfigError)))


def _named(found: Mapping[Any, Found | ConfigError], names: Iterable[str]) -> Iterator[tuple[Any, Found | ConfigError]]:
    """Those that are named by path or number, or that there is something to tell of."""
    left = {name.lower() for name in names}
    for ident, item in found.items():
        mine = {str(ident), "" if isinstance(item, ConfigError) else str(item["path_with_namespace"]).lower()}
        if isinstance(item, ConfigError) or mine & left:
            yield ident, item
        left -= mine
    if left:
        log.warning("Not read, as they are in none of `groups_list`: %s (in `projects_list`).", ", ".join(sorted(left)))
