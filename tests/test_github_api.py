"""The stand-in of the GitHub REST API behaves as api.github.com does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.github_api import KINDS, STREAMS, TOKEN, Drift, GithubApi, Repo  # noqa: E402

ALPHA = "/repos/octo/alpha"
DATA = Path(os.environ.get("HEADWATER_GITHUB_DATA") or ROOT.parent / "shared" / "data" / "github")


@pytest.fixture(scope="module")
def api() -> Iterator[GithubApi]:
    repos = {
        "octo/alpha": Repo(250),
        "octo/empty": Repo(0, empty=True),
        "octo/closed": Repo(3, has_issues=False, push_access=False),
        "octo/blocked": Repo(1, access=451),
        "solo/mine": Repo(5, owner_type="User"),
    }
    with GithubApi(repos, seed=7, quota_limit=10**6, moved={"octo/old": "octo/alpha"}) as api:
        yield api


def get(api: GithubApi, path: str, token: str | None = TOKEN, **more: Any) -> requests.Response:
    url = path if path.startswith("http") else api.url + path
    headers = ({"Authorization": f"token {token}"} if token else {}) | more.pop("headers", {})
    return requests.get(url, headers=headers, timeout=more.pop("timeout", 60), **more)


def read_all(api: GithubApi, path: str, **more: Any) -> list[Any]:
    found: list[Any] = []
    url: str | None = path
    while url:
        answer = get(api, url, **more)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += body["workflow_runs"] if isinstance(body, dict) else body
        url = answer.links.get("next", {}).get("url")
    return found


def test_pages_and_links(api: GithubApi) -> None:
    first = get(api, f"{ALPHA}/issues?state=all&per_page=100")
    number = api.repos["octo/alpha"].repository_id
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
    assert first.links["next"]["url"].startswith(f"{api.url}/repositories/{number}/issues?state=all&per_page=100")
    assert set(first.links) == {"next", "last"}
    last = get(api, first.links["last"]["url"])
    assert len(last.json()) == 50 and set(last.links) == {"prev", "first"}
    assert len(get(api, f"{ALPHA}/issues?state=all").json()) == 30
    assert len(get(api, f"{ALPHA}/issues?state=all&per_page=500").json()) == 100
    assert get(api, f"{ALPHA}/issues?state=all&page=99").json() == []
    assert "Link" not in get(api, f"{ALPHA}/labels").headers
    assert api.requests[-1].path == f"{ALPHA}/labels" and "authorization" not in api.requests[-1].headers


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("issues", "issues?state=all"),
        ("pull_requests", "pulls?state=all"),
        ("comments", "issues/comments"),
        ("commits", "commits"),
        ("branches", "branches"),
        ("tags", "tags"),
        ("releases", "releases"),
        ("issue_labels", "labels"),
        ("collaborators", "collaborators"),
        ("workflow_runs", "actions/runs"),
    ],
)
def test_every_listing_gives_all_there_is(api: GithubApi, stream: str, path: str) -> None:
    found = read_all(api, f"{ALPHA}/{path}{'&' if '?' in path else '?'}per_page=100")
    assert found == api.truth(stream, "octo/alpha") and found
    assert set(api.repos["octo/alpha"].sizes()) == set(STREAMS)


def test_filters_and_orders(api: GithubApi) -> None:
    issues = api.truth("issues", "octo/alpha")
    assert {item["state"] for item in get(api, f"{ALPHA}/issues").json()} == {"open"}
    since = sorted(item["updated_at"] for item in issues)[-40]
    query = "state=all&sort=updated&direction=asc&per_page=100"
    found = read_all(api, f"{ALPHA}/issues?{query}&since={since}")
    stamps = [item["updated_at"] for item in found]
    assert stamps == sorted(stamps) and {i["id"] for i in found} == {
        i["id"] for i in issues if i["updated_at"] >= since
    }
    assert len(set(stamps)) < len(stamps)
    assert get(api, f"{ALPHA}/issues?since=1970-01-01T00:00:00Z&state=all").json() == []
    assert get(api, f"{ALPHA}/issues?state=nonsense").status_code == 422
    pulls = [item["updated_at"] for item in get(api, f"{ALPHA}/pulls?state=all&sort=updated").json()]
    assert pulls == sorted(pulls)
    one = next(pull for pull in api.truth("pull_requests", "octo/alpha") if get_reviews(api, pull))
    assert get_reviews(api, one)[0]["pull_request_url"] == one["url"]
    runs = get(api, f"{ALPHA}/actions/runs?created=>=2023-01-01&per_page=100").json()
    assert runs["total_count"] > len(runs["workflow_runs"]) - 1
    assert all(run["created_at"] >= "2023-01-01" for run in runs["workflow_runs"])
    develop = read_all(api, f"{ALPHA}/commits?sha=develop&per_page=100")
    assert develop == api.truth("commits", "octo/alpha", branch="develop") != api.truth("commits", "octo/alpha")
    until = develop[5]["commit"]["committer"]["date"]
    assert get(api, f"{ALPHA}/commits?sha=develop&until={until}").json()[0]["sha"] == develop[5]["sha"]
    star = {"Accept": "application/vnd.github.star+json"}
    assert set(get(api, f"{ALPHA}/stargazers", headers=star).json()[0]) == {"starred_at", "user"}
    assert "login" in get(api, f"{ALPHA}/stargazers").json()[0]


def get_reviews(api: GithubApi, pull: dict[str, Any]) -> list[Any]:
    return list(get(api, f"{ALPHA}/pulls/{pull['number']}/reviews").json())


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/repos/octo/none", 404, "Not Found"),
        ("/repos/octo/empty/commits", 409, "Git Repository is empty."),
        ("/repos/octo/closed/issues", 410, "Issues are disabled for this repo"),
        ("/repos/octo/closed/collaborators", 403, "Must have push access to view repository collaborators."),
        ("/repos/octo/blocked/issues", 451, "Repository access blocked"),
        ("/orgs/solo/repos", 404, "Not Found"),
        (f"{ALPHA}/commits?sha=none", 404, "Not Found"),
    ],
)
def test_refusals(api: GithubApi, path: str, status: int, message: str) -> None:
    answer = get(api, path)
    assert answer.status_code == status and answer.json()["message"] == message
    assert answer.json()["status"] == str(status) and answer.json()["documentation_url"]


def test_owners_and_redirects(api: GithubApi) -> None:
    assert get(api, "/orgs/octo/repos?sort=full_name").json()[0]["name"] == "alpha"
    assert get(api, "/users/solo/repos").json() == api.truth("repositories", "solo")
    assert get(api, "/repos/OCTO/Alpha").json()["organization"]["login"] == "octo"
    assert "organization" not in get(api, "/repos/solo/mine").json()
    moved = get(api, "/repos/octo/old/labels?per_page=2", allow_redirects=False)
    assert moved.status_code == 301 and len(get(api, moved.headers["Location"]).json()) == 2


def test_credentials_quota_and_etag() -> None:
    with GithubApi({"octo/alpha": Repo(5)}, tokens=("a", "b"), anonymous=True, quota_limit=3) as api:
        assert get(api, "/user", "a", headers={"Authorization": "Bearer a"}).status_code == 200
        assert get(api, "/user", "wrong").json()["message"] == "Bad credentials"
        assert get(api, ALPHA, None).headers["X-RateLimit-Limit"] == "60"
        first = get(api, ALPHA, "a")
        assert (first.headers["X-RateLimit-Remaining"], first.headers["X-RateLimit-Used"]) == ("1", "2")
        again = get(api, ALPHA, "a", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304 and again.headers["X-RateLimit-Remaining"] == "1" and not again.content
        api.repos["octo/alpha"].add_stargazer()
        assert get(api, ALPHA, "a", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
        spent = get(api, ALPHA, "a")
        assert spent.status_code == 403 and spent.headers["X-RateLimit-Remaining"] == "0"
        assert "API rate limit exceeded" in spent.json()["message"]
        assert get(api, "/rate_limit", "a").json()["resources"]["core"]["remaining"] == 0
        assert get(api, ALPHA, "b").status_code == 200
        api.quota("a", reset_in=3000, status=429)
        assert get(api, ALPHA, "a").status_code == 429
        api.quota("a", reset_in=0)
        assert get(api, ALPHA, "a").status_code == 200


def test_faults() -> None:
    with GithubApi({"octo/alpha": Repo(40)}, quota_limit=10**6) as api:
        path = f"{ALPHA}/issues"
        second = api.fault("status", "*/issues*", status=502, nth=2)
        assert [get(api, path).status_code for _ in range(3)] == [200, 502, 200] and second.fired == 1
        broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
        for kind in ("reset", "reset_after_headers", "truncate"):
            api.fault(kind, path)
            with pytest.raises(broken):
                get(api, path)
        api.fault("hang", path)
        with pytest.raises(requests.Timeout):
            get(api, path, timeout=0.2)
        for kind in ("bad_json", "html", "empty"):
            api.fault(kind, path)  # type: ignore[arg-type]
            answer = get(api, path)
            assert answer.status_code == 200
            with pytest.raises(ValueError):
                answer.json()
        api.fault("same_page", path)
        assert "page=1" in get(api, path).links["next"]["url"]
        api.fault("secondary", path, retry_after=7, status=429)
        limited = get(api, path)
        assert limited.status_code == 429 and limited.headers["Retry-After"] == "7"
        assert "secondary rate limit" in limited.json()["message"]
        api.fault("redirect", path, location="http://127.0.0.1:9", status=302)
        assert get(api, path, allow_redirects=False).headers["Location"].startswith("http://127.0.0.1:9/repos/")
        api.fault("slow", path, delay=0.2)
        started = time.monotonic()
        assert get(api, path).status_code == 200 and time.monotonic() - started > 0.2
        chance = api.fault("status", path, probability=0.5, times=None, seed=3, status=500)
        found = [get(api, path).status_code for _ in range(40)]
        assert 5 < chance.fired < 35 and found.count(500) == chance.fired
        assert {line.fault for line in api.requests if line.fault} <= set(KINDS)


def test_changes_while_serving() -> None:
    with GithubApi({"octo/alpha": Repo(230)}, quota_limit=10**6) as api:
        repo = api.repos["octo/alpha"]
        newest = max(item["updated_at"] for item in api.truth("issues", "octo/alpha"))
        number = repo.add_issue(title="fresh")
        assert repo.touch_issue(1) > newest
        added = repo.add_pull()
        repo.add_comment(number)
        repo.add_review(added)
        found = get(api, f"{ALPHA}/issues?state=all&sort=updated&since={newest}&per_page=100").json()
        assert {number, 1, added} <= {item["number"] for item in found}
        assert next(item for item in found if item["number"] == number)["comments"] == 1
        for stream in ("commits", "stargazers", "releases", "tags", "workflow_runs", "issue_labels"):
            before = len(api.truth(stream, "octo/alpha"))
            repo.grow(stream, 2)
            assert len(api.truth(stream, "octo/alpha")) == before + 2
        changed = requests.post(f"{api.url}/_control/touch", json={"repo": "octo/alpha", "count": 3}, timeout=60).json()
        assert len(changed["changed"]) == 3
        stats = requests.get(f"{api.url}/_control/stats", timeout=60).json()
        assert stats["requests"] == 1 and stats["repos"]["octo/alpha"]["issues"] == 232


def test_drift_moves_items_between_pages() -> None:
    drift = [Drift(every=1, touch=2)]
    with GithubApi({"octo/alpha": Repo(200)}, quota_limit=10**6, drift=drift) as api:
        found = read_all(api, f"{ALPHA}/issues?state=all&sort=updated&direction=desc&per_page=50")
        assert len({item["id"] for item in found}) < len(found)


def test_cursor_paging_of_large_listings() -> None:
    with GithubApi({"octo/alpha": Repo(230)}, quota_limit=10**6, cursor_after=2) as api:
        path = f"{ALPHA}/issues?state=all&sort=updated&direction=asc&per_page=50"
        assert get(api, f"{path}&page=3").status_code == 422
        found = read_all(api, path)
        assert len(found) == 230 == len({item["id"] for item in found})


def test_crowds_meet_the_secondary_limit() -> None:
    with GithubApi({"octo/alpha": Repo(5)}, latency=0.1, max_concurrency=2) as api:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: get(api, f"{ALPHA}/labels").status_code, range(6)))
        assert set(found) == {200, 403} and api.peak_concurrency > 2


def test_same_seed_same_data() -> None:
    for stream in STREAMS:
        truths = []
        for _ in range(2):
            repo = Repo(20)
            repo.bind("octo/alpha", 3)
            truths.append(repo.truth(stream))
        assert truths[0] == truths[1]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded payloads are not at {DATA}")
def test_recorded_payloads() -> None:
    with GithubApi({}, real=str(DATA)) as api:
        found = read_all(api, "/repos/PyGithub/PyGithub/issues?state=all&per_page=20")
        assert found == api.truth("issues", "PyGithub/PyGithub") and len(found) > 50
        assert get(api, "/repos/PyGithub/PyGithub/commits").json()
        newest = max(item["updated_at"] for item in found)
        assert api.repos["PyGithub/PyGithub"].touch_issue(found[0]["number"]) > newest


def test_as_a_program() -> None:
    command = [sys.executable, "-m", "tests.github_api", "--repos", "1", "--size", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as served:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        assert requests.get(f"{url}/_control/stats", timeout=60).json()["repos"]["octo/alpha"]["issues"] == 10
        served.terminate()
        assert served.wait(60) == 0
