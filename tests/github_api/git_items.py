"""Commits, releases, tags, stars and workflow runs."""

from __future__ import annotations

from .items import large_id, sha_of
from .payloads import API, WEB, Json, minimal_repository, node_id, reactions


def commit(full_name: str, sha: str, parents: list[str], user: Json | None, message: str, **at: str) -> Json:
    """A commit with the dates `authored` and `committed`; `user` is None for a name GitHub does not know."""
    url = f"{API}/repos/{full_name}/commits/{sha}"
    login = user["login"] if user else "unknown"
    tree = sha_of("tree", sha)
    return {
        "sha": sha,
        "node_id": node_id("C", int(sha[:12], 16)),
        "commit": {
            "author": {"name": f"{login} Ø", "email": f"{login}@example.com", "date": at["authored"]},
            "committer": {"name": "GitHub", "email": "noreply@github.com", "date": at["committed"]},
            "message": message,
            "tree": {"sha": tree, "url": f"{API}/repos/{full_name}/git/trees/{tree}"},
            "url": f"{API}/repos/{full_name}/git/commits/{sha}",
            "comment_count": 0,
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "url": url,
        "html_url": f"{WEB}/{full_name}/commit/{sha}",
        "comments_url": f"{url}/comments",
        "author": user,
        "committer": user,
        "parents": [
            {
                "sha": parent,
                "url": f"{API}/repos/{full_name}/commits/{parent}",
                "html_url": f"{WEB}/{full_name}/commit/{parent}",
            }
            for parent in parents
        ],
    }


def release(full_name: str, n: int, author: Json, body: str, created: str, draft: bool = False) -> Json:
    """The n-th release of a repository."""
    ident, tag = large_id(full_name, "release", n), f"v1.{n}.0"
    url, asset = f"{API}/repos/{full_name}/releases/{ident}", large_id(full_name, "asset", n)
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"https://uploads.github.com/repos/{full_name}/releases/{ident}/assets{{?name,label}}",
        "html_url": f"{WEB}/{full_name}/releases/tag/{tag}",
        "id": ident,
        "author": author,
        "node_id": node_id("RE", ident),
        "tag_name": tag,
        "target_commitish": "main",
        "name": f"1.{n}.0 🎉" if n % 2 else None,
        "draft": draft,
        "immutable": False,
        "prerelease": n % 3 == 0,
        "created_at": created,
        "updated_at": created,
        "published_at": None if draft else created,
        "assets": [
            {
                "url": f"{API}/repos/{full_name}/releases/assets/{asset}",
                "id": asset,
                "node_id": node_id("RA", asset),
                "name": "wheel-1.0.whl",
                "label": None,
                "uploader": author,
                "content_type": "application/octet-stream",
                "state": "uploaded",
                "size": 12345 + n,
                "digest": f"sha256:{sha_of('asset', asset)}",
                "download_count": n * 7,
                "created_at": created,
                "updated_at": created,
                "browser_download_url": f"{WEB}/{full_name}/releases/download/{tag}/wheel-1.0.whl",
            }
        ]
        if n % 2
        else [],
        "tarball_url": f"{API}/repos/{full_name}/tarball/{tag}",
        "zipball_url": f"{API}/repos/{full_name}/zipball/{tag}",
        "body": body,
        "reactions": reactions(url, {"rocket": n % 5}),
        "mentions_count": n % 4,
    }


def tag(full_name: str, name: str, sha: str) -> Json:
    """A tag on a commit."""
    return {
        "name": name,
        "zipball_url": f"{API}/repos/{full_name}/zipball/refs/tags/{name}",
        "tarball_url": f"{API}/repos/{full_name}/tarball/refs/tags/{name}",
        "commit": {"sha": sha, "url": f"{API}/repos/{full_name}/commits/{sha}"},
        "node_id": node_id("REF", int(sha_of(full_name, name)[:10], 16)),
    }


def branch(full_name: str, name: str, sha: str, default: bool) -> Json:
    """A branch; the default one is protected."""
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{API}/repos/{full_name}/commits/{sha}"},
        "protected": default,
        "protection": {
            "enabled": default,
            "required_status_checks": {
                "enforcement_level": "non_admins" if default else "off",
                "contexts": ["ci / test"] if default else [],
                "checks": [{"context": "ci / test", "app_id": None}] if default else [],
            },
        },
        "protection_url": f"{API}/repos/{full_name}/branches/{name}/protection",
    }


def workflow_run(full_name: str, n: int, owner: Json, actor: Json, at: str, **more: object) -> Json:
    """The n-th workflow run of a repository."""
    ident, sha = large_id(full_name, "run", n), sha_of(full_name, "run", n)
    url, suite = f"{API}/repos/{full_name}/actions/runs/{ident}", large_id(full_name, "suite", n)
    workflow = large_id(full_name, "workflow", n % 3)
    of = minimal_repository(full_name, owner)
    return {
        "id": ident,
        "name": "CI",
        "node_id": node_id("WFR", ident),
        "head_branch": "main",
        "head_sha": sha,
        "path": ".github/workflows/ci.yml",
        "display_title": f"Run {n} ✅",
        "run_number": n,
        "event": "push",
        "status": "completed",
        "conclusion": "success",
        "workflow_id": workflow,
        "check_suite_id": suite,
        "check_suite_node_id": node_id("CS", suite),
        "url": url,
        "html_url": f"{WEB}/{full_name}/actions/runs/{ident}",
        "pull_requests": [],
        "created_at": at,
        "updated_at": at,
        "actor": actor,
        "run_attempt": 1,
        "referenced_workflows": [],
        "run_started_at": at,
        "triggering_actor": actor,
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{API}/repos/{full_name}/check-suites/{suite}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{API}/repos/{full_name}/actions/workflows/{workflow}",
        "head_commit": {
            "id": sha,
            "tree_id": sha_of("tree", sha),
            "message": f"Commit of run {n}",
            "timestamp": at,
            "author": {"name": actor["login"], "email": f"{actor['login']}@example.com"},
            "committer": {"name": "GitHub", "email": "noreply@github.com"},
        },
        "repository": of,
        "head_repository": of,
        **more,
    }
