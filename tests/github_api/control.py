"""The admin routes under `/_control/`, for a demo whose other half is another process."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any

from .messages import Answer, json_answer

if TYPE_CHECKING:
    from .api import GithubApi


def control(api: GithubApi, method: str, path: str, body: bytes) -> Answer:
    """Answers an admin request; what is wrong with it is said in a 400."""
    name = path.removeprefix("/_control/").strip("/")
    try:
        given = json.loads(body) if body.strip() else {}
        if method == "GET" and name == "stats":
            return json_answer(stats(api))
        if method == "POST" and name in ("touch", "grow"):
            repo = api.repos[given.get("repo") or next(iter(api.repos))]
            change = repo.touch if name == "touch" else repo.grow
            keys = change(given.get("stream", "issues"), int(given.get("count", 1)))
            return json_answer({"repo": repo.full_name, "changed": keys, "now": repo.clock.now()})
        if method == "POST" and name == "fault":
            return json_answer({"kind": api.fault(**given).kind})
        if method == "POST" and name == "quota":
            return json_answer(api.quota(**given).summary())
        if method == "POST" and name == "clear":
            api.clear()
            return json_answer({})
        if method == "GET" and name == "truth":
            return json_answer({repo: _sizes(api, repo) for repo in api.repos})
    except (KeyError, TypeError, ValueError) as wrong:
        return json_answer({"message": f"{type(wrong).__name__}: {wrong}"}, 400)
    return json_answer({"message": "GET stats, truth; POST touch, grow, fault, quota, clear"}, 404)


def _sizes(api: GithubApi, repo: str) -> dict[str, int]:
    return api.repos[repo].sizes()


def stats(api: GithubApi) -> dict[str, Any]:
    """How often each path was asked for, with what outcome, and what there is to read."""
    log = api.requests
    return {
        "requests": len(log),
        "by_path": dict(collections.Counter(line.path for line in log)),
        "by_status": dict(collections.Counter(str(line.status) for line in log)),
        "by_token": dict(collections.Counter(line.token for line in log)),
        "faults": dict(collections.Counter(line.fault for line in log if line.fault)),
        "sent_bytes": sum(line.sent_bytes for line in log),
        "peak_concurrency": api.peak_concurrency,
        "repos": {name: _sizes(api, name) for name in api.repos},
    }
