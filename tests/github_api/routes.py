"""The routes of the REST API."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from .listings import LISTINGS, Refused
from .messages import Answer, Request, error, json_answer
from .paging import Listing, Pager, ordered
from .payloads import Json, account
from .repo import Repo
from .store import encoded

STAR = re.compile(r"application/vnd\.github(\.v3)?\.star(\+json)?")
REPOSITORY_PATH = re.compile(r"/repos/([^/]+)/([^/]+)(?:/(.*))?")


class Routes:
    """Answers requests from a set of repositories; knows nothing of quotas, faults or sockets."""

    def __init__(self, repos: Mapping[str, Repo], pager: Pager, moved: Mapping[str, str]) -> None:
        self.repos = repos
        self.pager = pager
        self._moved = {old.lower(): new for old, new in moved.items()}
        self._by_name = {name.lower(): repo for name, repo in repos.items()}
        self._by_number = {repo.repository_id: name for name, repo in repos.items()}
        self._owners = {name.split("/")[0].lower(): name.split("/")[0] for name in repos}
        self._owner_ids = {repo.repository["owner"]["id"]: name.split("/")[0] for name, repo in repos.items()}

    def canonical(self, raw_path: str) -> str:
        """The path by names of a path by numbers, which is what Link headers carry."""
        path = raw_path.rstrip("/") or "/"
        parts = path.split("/")
        number = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else -1
        if parts[1] == "repositories" and number in self._by_number:
            return "/".join(["", "repos", self._by_number[number], *parts[3:]])
        if parts[1] in ("organizations", "user") and number in self._owner_ids:
            kind = "orgs" if parts[1] == "organizations" else "users"
            return "/".join(["", kind, self._owner_ids[number], *parts[3:]])
        return path

    def answer(self, request: Request) -> Answer:
        """The answer to a request that is let through."""
        if request.method not in ("GET", "HEAD"):
            return error(404, "Not Found")
        if request.path == "/":
            return json_answer({"current_user_url": f"{self.pager.base_url}/user"})
        if request.path == "/user":
            return self._user(request)
        parts = request.path.split("/")
        if parts[1] in ("orgs", "users") and len(parts) in (3, 4):
            return self._owner(request, parts[1], parts[2].lower(), parts[3] if len(parts) == 4 else "")
        match = REPOSITORY_PATH.fullmatch(request.path)
        if match is None:
            return error(404, "Not Found")
        return self._repository(request, f"{match[1]}/{match[2]}", match[3] or "")

    def _user(self, request: Request) -> Answer:
        if not request.authenticated:
            return error(401, "Requires authentication", "/rest/users/users#get-the-authenticated-user")
        return json_answer({**account("octocat"), "name": "The Octocat", "public_repos": len(self.repos)})

    def _owner(self, request: Request, kind: str, owner: str, what: str) -> Answer:
        docs = f"/rest/repos/repos#list-{'organization' if kind == 'orgs' else 'user'}-repositories"
        visible = [
            repo
            for name, repo in self.repos.items()
            if name.split("/")[0].lower() == owner and self._visible(repo, request)
        ]
        known = self._owners.get(owner)
        if known is None or what not in ("", "repos"):
            return error(404, "Not Found", docs)
        owned = next(repo for name, repo in self.repos.items() if name.startswith(f"{known}/"))
        is_organization = owned.repository["owner"].get("type") == "Organization"
        if kind == "orgs" and not is_organization:
            return error(404, "Not Found", docs)
        if not what:
            return json_answer(owned.repository["owner"])
        for repo in visible:
            repo.refresh()
        sort = request.query.get("sort", "created" if kind == "orgs" else "full_name")
        fields = {"created": "created_at", "updated": "updated_at", "pushed": "pushed_at"}
        down = request.query.get("direction", "asc" if sort == "full_name" else "desc") == "desc"
        found = ordered([repo.repository for repo in visible], fields.get(sort, "full_name"), down)
        prefix = "organizations" if is_organization else "user"
        owner_id = owned.repository["owner"]["id"]
        return self._page(Listing(found.items), request, f"/{prefix}/{owner_id}/repos", visible)

    @staticmethod
    def _visible(repo: Repo, request: Request) -> bool:
        return repo.visible_to is None or request.token in repo.visible_to

    def _repository(self, request: Request, name: str, rest: str) -> Answer:
        if name.lower() in self._moved:
            target = self._by_name[self._moved[name.lower()].lower()]
            url = f"{self.pager.base_url}/repositories/{target.repository_id}" + (f"/{rest}" if rest else "")
            made = error(301, "Moved Permanently", "/guides/making-requests#follow-redirects", url=url)
            made.headers["Location"] = url + (f"?{urlencode(request.query)}" if request.query else "")
            return made
        repo = self._by_name.get(name.lower())
        if repo is None or not self._visible(repo, request):
            return error(404, "Not Found", "/rest/repos/repos#get-a-repository")
        if repo.access != 200:
            return self._no_access(repo.access)
        with repo.lock:
            if not rest:
                return self._conditional(json_answer(repo.detail()), request)
            return self._listing(repo, request, rest)

    @staticmethod
    def _no_access(status: int) -> Answer:
        if status == 451:
            notice = {
                "reason": "dmca",
                "created_at": "2024-01-01T00:00:00Z",
                "html_url": "https://github.com/github/dmca/blob/master/2024/01/2024-01-01-example.md",
            }
            return error(451, "Repository access blocked", block=notice)
        if status == 403:
            text = (
                "Resource protected by organization SAML enforcement. You must grant your Personal Access "
                "token access to this organization."
            )
            made = error(
                403,
                text,
                "https://docs.github.com/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/",
            )
            made.headers["X-GitHub-SSO"] = "required; url=https://github.com/orgs/octo/sso?authorization_request=AAAA"
            return made
        return error(status, "Not Found" if status == 404 else "Server Error")

    def _listing(self, repo: Repo, request: Request, rest: str) -> Answer:
        for pattern, list_items in LISTINGS:
            match = re.fullmatch(pattern, rest)
            if match is None:
                continue
            try:
                found = list_items(repo, request, *match.groups())
            except Refused as refusal:
                return refusal.answer
            path = f"/repositories/{repo.repository_id}/{rest}"
            if rest == "stargazers" and not STAR.search(request.headers.get("accept", "")):
                found = Listing([star["user"] for star in found.items])
            return self._page(found, request, path, [repo], "workflow_runs" if rest == "actions/runs" else None)
        return error(404, "Not Found")

    def _page(
        self, listing: Listing, request: Request, link_path: str, repos: list[Repo], wrap: str | None = None
    ) -> Answer:
        cut = self.pager.cut(listing, request, link_path)
        if isinstance(cut, Answer):
            return cut
        items, headers = cut
        body = b"[" + b",".join(self._bytes(item, repos) for item in items) + b"]"
        if wrap:
            body = b'{"total_count":%d,"%s":%s}' % (len(listing.items), wrap.encode(), body)
        return self._conditional(Answer(200, body, headers), request)

    @staticmethod
    def _bytes(item: Json, repos: list[Repo]) -> bytes:
        return repos[0].item_bytes(item) if len(repos) == 1 else encoded(item)

    @staticmethod
    def _conditional(answer: Answer, request: Request) -> Answer:
        """Adds the ETag, and makes the answer a 304 where the reader has this very body."""
        accept = request.headers.get("accept", "")
        etag = hashlib.sha256(answer.body + accept.encode()).hexdigest()
        answer.headers |= {
            "ETag": f'W/"{etag}"',
            "Cache-Control": f"{'private' if request.authenticated else 'public'}, max-age=60, s-maxage=60",
            "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
        }
        if etag in request.headers.get("if-none-match", ""):
            return Answer(304, b"", answer.headers)
        return answer
