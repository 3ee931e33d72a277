"""A project's own item: the longest of GitLab's."""

from __future__ import annotations

from collections.abc import Mapping

from .items import WEB, Json, stamp

LEVELS = (
    "issues", "repository", "merge_requests", "forking", "wiki", "builds", "snippets", "pages", "analytics",
    "container_registry", "security_and_compliance", "releases", "environments", "feature_flags", "infrastructure",
    "monitor", "model_experiments", "model_registry",
)  # fmt: skip


def project(ident: int, full_path: str, namespace: Json, levels: Mapping[str, str], *, empty: bool) -> Json:
    """A project as a listing has it."""
    path = full_path.rsplit("/", 1)[-1]
    url = f"{WEB}/{full_path}"
    links = ("self", "issues", "merge_requests", "repo_branches", "labels", "events", "members", "cluster_agents")
    return {
        "id": ident,
        "description": None,
        "name": path.title(),
        "name_with_namespace": f"{namespace['full_name']} / {path.title()}",
        "path": path,
        "path_with_namespace": full_path,
        "created_at": stamp(1_610_000_000_000 + ident),
        "default_branch": None if empty else "main",
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@gitlab.example.test:{full_path}.git",
        "http_url_to_repo": f"{url}.git",
        "web_url": url,
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 1,
        "last_activity_at": stamp(1_717_200_000_000 + ident),
        "namespace": {
            **{name: namespace[name] for name in ("id", "name", "path", "full_path", "parent_id", "web_url")},
            "kind": "group",
            "avatar_url": None,
        },
        "_links": {name: f"{WEB}/api/v4/projects/{ident}/{name}" for name in links},
        "packages_enabled": True,
        "empty_repo": empty,
        "archived": False,
        "visibility": "private",
        "resolve_outdated_diff_discussions": False,
        "container_expiration_policy": {"cadence": "1d", "enabled": False, "keep_n": 10, "older_than": "90d"},
        "issues_enabled": levels.get("issues") != "disabled",
        "merge_requests_enabled": levels.get("merge_requests") != "disabled",
        "jobs_enabled": levels.get("builds") != "disabled",
        **{f"{name}_access_level": levels.get(name, "enabled") for name in LEVELS},
        "shared_runners_enabled": True,
        "lfs_enabled": True,
        "creator_id": 1001,
        "import_status": "none",
        "open_issues_count": 1,
        "ci_default_git_depth": 20,
        "public_jobs": True,
        "build_timeout": 3600,
        "ci_config_path": "",
        "shared_with_groups": [],
        "only_allow_merge_if_pipeline_succeeds": False,
        "request_access_enabled": True,
        "merge_method": "merge",
        "squash_option": "default_off",
        "autoclose_referenced_issues": True,
        "permissions": {"project_access": None, "group_access": {"access_level": 50, "notification_level": 3}},
        "updated_at": stamp(1_717_200_000_000 + ident),
    }


def statistics() -> Json:
    """A project's statistics, which are given when they are asked for."""
    names = (
        "commit_count", "storage_size", "repository_size", "wiki_size", "lfs_objects_size", "job_artifacts_size",
        "pipeline_artifacts_size", "packages_size", "snippets_size", "uploads_size", "container_registry_size",
    )  # fmt: skip
    return {name: 42 * place for place, name in enumerate(names)}
