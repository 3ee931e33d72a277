"""Owners, repositories and the small objects that every other payload embeds."""

from __future__ import annotations

import base64
import functools
import zlib
from typing import Any

from .words import LABELS, LOGINS

API = "https://api.github.com"
WEB = "https://github.com"
Json = dict[str, Any]

REPOSITORY_URLS = {
    "forks_url": "/forks", "keys_url": "/keys{/key_id}", "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams", "hooks_url": "/hooks", "issue_events_url": "/issues/events{/number}",
    "events_url": "/events", "assignees_url": "/assignees{/user}", "branches_url": "/branches{/branch}",
    "tags_url": "/tags", "blobs_url": "/git/blobs{/sha}", "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}", "trees_url": "/git/trees{/sha}", "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages", "stargazers_url": "/stargazers", "contributors_url": "/contributors",
    "subscribers_url": "/subscribers", "subscription_url": "/subscription", "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}", "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}", "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}", "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}", "downloads_url": "/downloads", "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}", "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}", "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}", "deployments_url": "/deployments",
}  # fmt: skip


def number_of(*parts: object) -> int:
    """A stable number below a million for some words; unlike hash() it is the same in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode()) % 900_000 + 100_000


def node_id(prefix: str, number: int) -> str:
    """A GraphQL node id in today's form."""
    return f"{prefix}_kwDO{base64.urlsafe_b64encode(number.to_bytes(8, 'big')).decode().rstrip('=')}"


def account(login: str, kind: str = "User") -> Json:
    """A simple user, as it is embedded everywhere."""
    if login.endswith("[bot]"):
        kind = "Bot"
    number, url = number_of("account", login.lower()) * 97, f"{API}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": node_id("O" if kind == "Organization" else "U", number),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{WEB}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


@functools.lru_cache(maxsize=1)
def people() -> tuple[Json, ...]:
    """The accounts that write the generated items; shared, never changed."""
    return tuple(account(login) for login in LOGINS)


def label(full_name: str, n: int) -> Json:
    """The n-th label of a repository."""
    name, color, description, default = LABELS[n % len(LABELS)]
    if n >= len(LABELS):
        name, default = f"{name} {n // len(LABELS)}", False
    number = number_of(full_name, "label") * 10_000 + n
    return {
        "id": number,
        "node_id": node_id("LA", number),
        "url": f"{API}/repos/{full_name}/labels/{name.replace(' ', '%20')}",
        "name": name,
        "color": color,
        "default": default,
        "description": description,
    }


def reactions(url: str, counts: dict[str, int]) -> Json:
    """The reaction summary of an issue, a comment or a release."""
    names = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    found = {name: counts.get(name, 0) for name in names}
    return {"url": f"{url}/reactions", "total_count": sum(found.values()), **found}


def minimal_repository(full_name: str, owner: Json, private: bool = False) -> Json:
    """A minimal repository, as a workflow run embeds it."""
    number, url = number_of("repository", full_name.lower()) * 11, f"{API}/repos/{full_name}"
    return {
        "id": number,
        "node_id": node_id("R", number),
        "name": full_name.split("/")[1],
        "full_name": full_name,
        "private": private,
        "owner": owner,
        "html_url": f"{WEB}/{full_name}",
        "description": f"Generated repository {full_name} — “quoted” 🧪",
        "fork": False,
        "url": url,
        **{key: url + tail for key, tail in REPOSITORY_URLS.items()},
    }


def repository(full_name: str, owner: Json, created: str, updated: str, **more: Any) -> Json:
    """A repository, as the listing of an owner's repositories gives it."""
    return {
        **minimal_repository(full_name, owner, bool(more.get("private"))),
        "created_at": created,
        "updated_at": updated,
        "pushed_at": updated,
        "git_url": f"git://github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git",
        "clone_url": f"{WEB}/{full_name}.git",
        "svn_url": f"{WEB}/{full_name}",
        "homepage": None,
        "size": 1024,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": "Python",
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 3,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": 0,
        "license": {
            "key": "mit",
            "name": "MIT License",
            "spdx_id": "MIT",
            "url": f"{API}/licenses/mit",
            "node_id": "MDc6TGljZW5zZTEz",
        },
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": ["data", "elt"],
        "visibility": "private" if more.get("private") else "public",
        "forks": 3,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": "main",
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
        **more,
    }
