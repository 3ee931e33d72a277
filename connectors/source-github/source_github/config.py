"""The settings: those of Airbyte's GitHub source, which its configs can be used with as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from headwater import Config, Secret, Setting


class OAuthCredentials(Config, tag_field="option_title", tag="OAuth Credentials"):
    """Log in as a GitHub user by OAuth."""

    access_token: Annotated[Secret, Setting("Access Token", "The token that OAuth gave.")]
    client_id: Annotated[Secret | None, Setting("Client Id", "The OAuth app's id.")] = None
    client_secret: Annotated[Secret | None, Setting("Client secret", "The OAuth app's secret.")] = None


class PatCredentials(Config, tag_field="option_title", tag="PAT Credentials"):
    """Log in with personal access tokens."""

    personal_access_token: Annotated[
        Secret,
        Setting("Personal Access Tokens", "One token, or several separated by commas, which take turns."),
    ]


class GithubConfig(Config):
    """Which repositories to read, from when on, and who is asking."""

    title = "GitHub Source Spec"

    credentials: Annotated[
        OAuthCredentials | PatCredentials,
        Setting("Authentication", "How to log in to GitHub.", extra={"group": "auth"}),
    ]
    repositories: Annotated[
        list[
            Annotated[
                str,
                Setting(
                    pattern=r"^[\w.-]+/(([\w.-]*\*)|[\w.-]+(?<!\.git))$",
                    extra={"pattern_descriptor": "org/repo org/another-repo org/* org/a*"},
                ),
            ]
        ],
        Setting(
            "GitHub Repositories",
            "Repositories as owner/name; owner/* stands for all of an owner's, owner/pre* for some of them.",
            examples=["octo/alpha", "octo/*", "octo/a*"],
            min_length=1,
        ),
    ]
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
            "Of a GitHub Enterprise server, if it is not github.com.",
            examples=["https://github.acme.test/api/v3"],
        ),
    ] = "https://api.github.com/"
    branches: Annotated[
        list[str],
        Setting(
            "Branches",
            "Whose commits to read, as owner/name/branch; without any, each repository's default branch.",
            examples=["octo/alpha/main"],
            extra={"pattern_descriptor": "org/repo/branch1 org/repo/branch2"},
        ),
    ] = []
    max_waiting_time: Annotated[
        int,
        Setting(
            "Max Waiting Time (in minutes)",
            "How long to wait for a used-up quota to come back.",
            minimum=1,
            maximum=240,
        ),
    ] = 120
    num_workers: Annotated[
        int,
        Setting(
            "Number of concurrent workers",
            "How many requests are under way at the same time. GitHub allows a hundred, for all of a token's users.",
            minimum=1,
            maximum=40,
        ),
    ] = 6


def migrated(config: Any) -> Any:
    """A config as older versions of Airbyte's source took it, in today's form: one string of repositories or
    branches, a token outside of ``credentials``, an empty API URL."""
    if not isinstance(config, Mapping):
        return config
    config = dict(config)
    for old, new in (("repository", "repositories"), ("branch", "branches")):
        if isinstance(config.get(old), str) and not config.get(new):
            config[new] = list(dict.fromkeys(config[old].split()))
    if not config.get("credentials") and config.get("access_token"):
        config["credentials"] = {"access_token": config["access_token"]}
    if not config.get("api_url"):
        config.pop("api_url", None)
    return config
