"""The settings: those of Airbyte's GitLab source, and those of Singer's, whose configs can be used as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from headwater import Config, Secret, Setting

_HIDDEN = {"airbyte_hidden": True}


class OAuthCredentials(Config, tag_field="auth_type", tag="oauth2.0"):
    """Log in as a GitLab user by OAuth."""

    client_id: Annotated[Secret, Setting("Client ID", "The GitLab application's id.")]
    client_secret: Annotated[Secret, Setting("Client secret", "The GitLab application's secret.")]
    refresh_token: Annotated[
        Secret, Setting("Refresh token", "Gives access tokens. GitLab replaces it at each use; the new one is told.")
    ]
    access_token: Annotated[Secret | None, Setting("Access token", "The last one that OAuth gave.")] = None
    token_expiry_date: Annotated[
        str | None, Setting("Token expiry date", "Until when it holds.", extra={"format": "date-time"})
    ] = None


class TokenCredentials(Config, tag_field="auth_type", tag="access_token"):
    """Log in with a token."""

    access_token: Annotated[
        Secret,
        Setting("Private token", "A personal, group or project access token with the scope read_api."),
    ]


class GitlabConfig(Config):
    """Which groups and projects to read, from when on, and who is asking."""

    title = "GitLab Source Spec"

    credentials: Annotated[
        OAuthCredentials | TokenCredentials | None, Setting("Authorization method", "How to log in to GitLab.")
    ] = None
    start_date: Annotated[
        str | None,
        Setting(
            "Start date",
            "Older records are not read. Streams without a date of their own are read whole.",
            examples=["2024-03-01T00:00:00Z"],
            pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
            extra={"format": "date-time", "pattern_descriptor": "YYYY-MM-DDTHH:mm:ssZ"},
        ),
    ] = None
    api_url: Annotated[
        str,
        Setting(
            "API URL",
            "Of a GitLab server, if it is not gitlab.com: its host, or its URL.",
            examples=["gitlab.com", "https://gitlab.acme.test", "https://gitlab.acme.test/api/v4"],
        ),
    ] = "gitlab.com"
    groups_list: Annotated[
        list[str],
        Setting(
            "Groups",
            "Groups, by full path or number, whose projects to read, those of their subgroups included. "
            "Without groups and projects, all groups that the token's user is in.",
            examples=["acme", "acme/platform"],
        ),
    ] = []
    projects_list: Annotated[
        list[str],
        Setting(
            "Projects",
            "Projects, by full path or number. With groups, only those of them that are in one of the groups.",
            examples=["acme/platform/api"],
        ),
    ] = []
    num_workers: Annotated[
        int,
        Setting(
            "Number of concurrent workers",
            "How many requests are under way at the same time.",
            minimum=1,
            maximum=40,
        ),
    ] = 6
    groups: Annotated[
        str | None, Setting("Groups", "An older form of groups_list: separated by spaces or commas.", extra=_HIDDEN)
    ] = None
    projects: Annotated[
        str | None, Setting("Projects", "An older form of projects_list: separated by spaces or commas.", extra=_HIDDEN)
    ] = None
    private_token: Annotated[
        Secret | None, Setting("Private token", "Singer's form of credentials: a token.", extra=_HIDDEN)
    ] = None

    @classmethod
    def parse(cls, value: Any) -> Any:
        """As :meth:`Config.parse`, with the older forms put into today's."""
        return super().parse(_migrated(value) if isinstance(value, Mapping) else value)


def _migrated(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is empty is left out; names in one string become a list; Singer's token becomes credentials."""
    found = {name: value for name, value in config.items() if value not in ("", None)}
    for old, new in (("groups", "groups_list"), ("projects", "projects_list")):
        for name in (old, new):
            if isinstance(found.get(name), str):
                found[name] = re.split(r"[\s,]+", found[name].strip(" ,\n\t"))
        names = found.pop(old, None)
        if names and not found.get(new):
            found[new] = names
    if "credentials" not in found and isinstance(found.get("private_token"), str):
        found["credentials"] = {"auth_type": "access_token", "access_token": found.pop("private_token")}
    return found
