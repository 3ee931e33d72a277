"""The stand-in of GitLab's REST API behaves as gitlab.com does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.gitlab_api import STREAMS, TOKEN, Drift, GitlabApi, Project

API = "/projects/acme%2Fapi"


@pytest.fixture(scope="module")
def api() -> Iterator[GitlabApi]:
    projects = {
        "acme/api": Project(120),
        "acme/web/site": Project(5, empty=True),
        "acme/closed": Project(3, levels={"builds": "disabled", "repository": "disabled", "issues": "disabled"}),
        "acme/hidden": Project(3, access=404),
        "acme/barred": Project(3, access=403),
    }
    with GitlabApi(projects, seed=7, groups=["empty/group"], limit=None) as api:
        yield api


def get(api: GitlabApi, path: str, **more: Any) -> requests.Response:
    url = path if path.startswith("http") else f"{api.url}/api/v4{path}"
    return requests.get(url, headers={"PRIVATE-TOKEN": TOKEN} | more.pop("headers", {}), timeout=60, **more)


def read_all(api: GitlabApi, path: str) -> list[Any]:
    found: list[Any] = []
    url: str | None = path
    while url:
        answer = get(api, url)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
    return found


def test_offset_pages_and_their_headers(api: GitlabApi) -> None:
    first = get(api, f"{API}/issues?per_page=50")
    headers = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")
    assert [first.headers[name] for name in headers] == ["1", "50", "2", "", "120", "3"]
    assert set(first.links) == {"first", "next", "last"}
    last = get(api, first.links["last"]["url"])
    assert len(last.json()) == 20 and set(last.links) == {"prev", "first", "last"}
    assert last.headers["X-Next-Page"] == ""
    assert len(get(api, f"{API}/issues").json()) == 20
    assert len(get(api, f"{API}/issues?per_page=500").json()) == 100
    assert get(api, f"{API}/issues?page=99").json() == []
    beyond = get(api, f"{API}/issues?per_page=100&page=502")
    assert beyond.status_code == 405 and "maximum allowed offset" in beyond.json()["error"]


def test_long_listings_come_without_their_total(api: GitlabApi) -> None:
    pager, api.routes.pager = api.routes.pager, type(api.routes.pager)(api.url + "/api/v4", total_limit=10)
    try:
        answer = get(api, f"{API}/issues")
        assert "X-Total" not in answer.headers and set(answer.links) == {"first", "next"}
    finally:
        api.routes.pager = pager


@pytest.mark.parametrize(
    "query",
    [
        "/projects?pagination=keyset&order_by=id&sort=asc",
        "/groups?pagination=keyset&order_by=name&sort=asc",
        f"{API}/jobs?pagination=keyset&order_by=id&sort=desc",
        f"{API}/repository/tags?pagination=keyset&order_by=name&sort=asc",
        f"{API}/issues?pagination=keyset&order_by=updated_at&sort=asc",
    ],
)
def test_keyset_pages_where_they_are_offered(api: GitlabApi, query: str) -> None:
    first = get(api, f"{query}&per_page=3")
    assert "X-Total" not in first.headers and "X-Next-Page" not in first.headers
    found, whole = read_all(api, f"{query}&per_page=3"), read_all(api, query.replace("pagination=keyset&", ""))
    assert found == whole


def test_keyset_pages_where_they_are_not(api: GitlabApi) -> None:
    for path in ("pipelines", "merge_requests", "repository/commits"):
        answer = get(api, f"{API}/{path}?pagination=keyset")
        assert answer.status_code == 405 and "not yet available" in answer.json()["error"]


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("issues", "issues"),
        ("merge_requests", "merge_requests"),
        ("commits", "repository/commits?with_stats=true"),
        ("pipelines", "pipelines"),
        ("jobs", "jobs"),
        ("users", "users"),
        ("users", "members/all"),
        ("releases", "releases"),
        ("tags", "repository/tags"),
    ],
)
def test_every_listing_gives_all_there_is(api: GitlabApi, stream: str, path: str) -> None:
    found = read_all(api, f"{API}/{path}{'&' if '?' in path else '?'}per_page=7")
    wanted = api.truth(stream, "acme/api")
    assert found and sorted(map(repr, found)) == sorted(map(repr, wanted))


def test_bounds_and_orders(api: GitlabApi) -> None:
    for stream in ("issues", "merge_requests", "pipelines"):
        stamps = sorted(item["updated_at"] for item in api.truth(stream, "acme/api"))
        bound = stamps[len(stamps) // 2]
        found = read_all(api, f"{API}/{stream}?order_by=updated_at&sort=asc&updated_after={bound}&per_page=9")
        assert [item["updated_at"] for item in found] == [stamp for stamp in stamps if stamp >= bound]
    commits = api.truth("commits", "acme/api")
    since = commits[60]["committed_date"]
    found = read_all(api, f"{API}/repository/commits?since={requests.utils.quote(since)}")
    assert [item["id"] for item in found] == [item["id"] for item in reversed(commits[60:])]
    assert "stats" not in found[0]
    assert [item["id"] for item in read_all(api, "/projects?order_by=id&sort=asc")] == [501, 502, 503]
    assert get(api, f"{API}/issues?order_by=nonsense").status_code == 400
    assert {item["state"] for item in read_all(api, f"{API}/issues?state=closed")} == {"closed"}


def test_groups_and_what_is_in_them(api: GitlabApi) -> None:
    names = [item["full_path"] for item in read_all(api, "/groups")]
    assert names == ["acme", "empty", "empty/group", "acme/web"]
    detail = get(api, "/groups/acme").json()
    assert [item["path_with_namespace"] for item in detail["projects"]] == ["acme/api", "acme/closed"]
    assert "projects" not in get(api, "/groups/acme?with_projects=false").json()
    assert get(api, f"/groups/{detail['id']}").json() == detail
    assert get(api, "/groups/acme%2Fweb").json()["parent_id"] == detail["id"]
    assert len(read_all(api, "/groups/acme/projects")) == 2
    assert len(read_all(api, "/groups/acme/projects?include_subgroups=true")) == 3
    assert [item["path"] for item in read_all(api, "/groups/acme/descendant_groups")] == ["web"]
    assert [item["path"] for item in read_all(api, "/groups/acme/subgroups")] == ["web"]
    assert get(api, "/groups/empty%2Fgroup/projects").json() == []


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/projects/acme%2Fnone", 404, "404 Project Not Found"),
        ("/projects/acme/api", 404, None),
        ("/projects/acme%2Fhidden/issues", 404, "404 Project Not Found"),
        ("/projects/acme%2Fbarred/issues", 403, "403 Forbidden"),
        ("/projects/acme%2Fclosed/pipelines", 403, "403 Forbidden"),
        ("/projects/acme%2Fclosed/repository/commits", 404, "404 Repository Not Found"),
        ("/projects/acme%2Fweb%2Fsite/repository/commits", 404, "404 Repository Not Found"),
        ("/projects/acme%2Fweb%2Fsite/repository/tags", 404, "404 Not Found"),
        ("/groups/none", 404, "404 Group Not Found"),
        (f"{API}/pipelines/1/jobs", 404, "404 Not Found"),
        ("/nothing", 404, None),
    ],
)
def test_refusals(api: GitlabApi, path: str, status: int, message: str | None) -> None:
    answer = get(api, path)
    assert answer.status_code == status
    assert answer.json().get("message") == message
    assert get(api, "/projects/acme%2Fclosed/issues").json() == []


def test_credentials() -> None:
    with GitlabApi(tokens={"full": "api", "poor": "read_user"}) as api:
        ways = ({"PRIVATE-TOKEN": "full"}, {"PRIVATE-TOKEN": "", "Authorization": "Bearer full"})
        assert [get(api, "/user", headers=way).status_code for way in ways] == [200, 200]
        wrong = get(api, "/user", headers={"PRIVATE-TOKEN": "x"})
        assert (wrong.status_code, wrong.json()) == (401, {"message": "401 Unauthorized"})
        bearer = get(api, "/user", headers={"PRIVATE-TOKEN": "", "Authorization": "Bearer x"})
        assert (bearer.status_code, bearer.json()["error"]) == (401, "invalid_token")
        poor = get(api, API, headers={"PRIVATE-TOKEN": "poor"})
        assert (poor.status_code, poor.json()["error"]) == (403, "insufficient_scope")
        form = {"grant_type": "refresh_token", "refresh_token": "refresh-0"}
        granted = requests.post(f"{api.url}/oauth/token", data=form, timeout=60).json()
        assert get(api, "/user", headers={"PRIVATE-TOKEN": granted["access_token"]}).status_code == 200
        again = requests.post(f"{api.url}/oauth/token", data=form, timeout=60)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_limits() -> None:
    with GitlabApi(limit=3) as api:
        left = [get(api, "/user").headers["RateLimit-Remaining"] for _ in range(3)]
        throttled = get(api, "/user")
        assert left == ["2", "1", "0"]
        assert (throttled.status_code, throttled.text) == (429, "Retry later\n")
        assert 0 < int(throttled.headers["Retry-After"]) <= 61
        assert int(throttled.headers["RateLimit-Reset"]) > time.time()
        api.quota(left=0, reset_in=0.1)
        time.sleep(0.12)
        assert get(api, "/user").status_code == 200


def test_faults() -> None:
    with GitlabApi() as api:
        path = f"{API}/issues"
        second = api.fault("status", "/projects/acme/api/*", status=502, nth=2)
        assert [get(api, path).status_code for _ in range(3)] == [200, 502, 200] and second.fired == 1
        broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
        for kind in ("reset", "reset after headers", "cut"):
            api.fault(kind)  # type: ignore[arg-type]
            with pytest.raises(broken):
                get(api, path)
        for kind in ("bad json", "html", "empty"):
            api.fault(kind)  # type: ignore[arg-type]
            with pytest.raises(ValueError):
                get(api, path).json()
        api.fault("same page")
        assert "page=1" in get(api, path).links["next"]["url"]
        assert {line.fault for line in api.requests} >= {None, "status", "reset", "cut", "html"}
        with pytest.raises(ValueError):
            api.fault("nonsense")  # type: ignore[arg-type]


def test_changes_while_serving() -> None:
    drift = [Drift(every=2, project="acme/api", touch=2, grow=1)]
    with GitlabApi(drift=drift) as api:
        before = len(api.truth("issues", "acme/api"))
        found = read_all(api, f"{API}/issues?order_by=updated_at&sort=asc&per_page=10")
        assert len(api.truth("issues", "acme/api")) > before
        assert len({item["id"] for item in found}) < before + 4
        project = api.projects["acme/api"]
        for stream in set(STREAMS) - {"groups", "projects", "jobs"}:
            before = len(api.truth(stream, "acme/api"))
            project.add(stream)
            assert len(api.truth(stream, "acme/api")) == before + 1
        newest = max(item["updated_at"] for item in api.truth("pipelines", "acme/api"))
        touched = project.touch("pipelines", 0)
        assert touched["updated_at"] > newest
        jobs = read_all(api, f"{API}/pipelines/{touched['id']}/jobs")
        assert {job["pipeline"]["updated_at"] for job in jobs} == {touched["updated_at"]}


def test_same_seed_same_data() -> None:
    with GitlabApi(seed=5) as one, GitlabApi(seed=5) as two, GitlabApi(seed=6) as other:
        for stream in STREAMS:
            assert one.truth(stream, "acme/api") == two.truth(stream, "acme/api")
        assert one.truth("issues", "acme/api") != other.truth("issues", "acme/api")
