"""The listings of one repository: what each takes, leaves out and sorts by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .messages import Answer, Request, error
from .paging import Listing, moment, ordered, within
from .payloads import Json
from .repo import Repo

SEARCH_LIMIT = 1000
RUN_FILTERS = ("actor", "branch", "check_suite_id", "created", "event", "head_sha", "status")


class Refused(Exception):
    """A listing that answers with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def choice(request: Request, name: str, allowed: tuple[str, ...], resource: str) -> str:
    """A query parameter with a fixed set of values, the first of them by default; others are a 422."""
    value = request.query.get(name) or allowed[0]
    if value not in allowed:
        wrong = [{"value": value, "resource": resource, "field": name, "code": "invalid"}]
        raise Refused(error(422, "Validation Failed", errors=wrong))
    return value


def since_of(request: Request, name: str = "since") -> str | None:
    """The `since` or `until` of a request; what is no time is a 422."""
    text = request.query.get(name)
    if not text:
        return None
    at = moment(text)
    if at is None:
        raise Refused(error(422, f"Invalid {name}: {text!r} is not a valid ISO 8601 timestamp."))
    return at


def by_state(items: Sequence[Json], state: str) -> list[Json]:
    """The items in a state; `all` keeps every one."""
    return [item for item in items if state in ("all", item["state"])]


def issues(repo: Repo, request: Request) -> Listing:
    """Issues and pull requests; newest first unless asked for otherwise."""
    if not repo.has_issues:
        raise Refused(error(410, "Issues are disabled for this repo", "/v3/issues/"))
    state = choice(request, "state", ("open", "closed", "all"), "Issue")
    since = since_of(request)
    found = by_state(list(repo.issues.values()), state)
    if since is not None:
        # The real API answers a `since` of the epoch with an empty list.
        found = [item for item in found if since > "1970-01-01T00:00:00Z" and item["updated_at"] >= since]
    names = {"created": "created_at", "updated": "updated_at", "comments": "comments"}
    field = names.get(request.query.get("sort", "created"), "created_at")
    return ordered(found, field, request.query.get("direction") != "asc")


def comments(repo: Repo, request: Request) -> Listing:
    """Issue comments; `direction` counts only beside `sort`."""
    since, sort = since_of(request), request.query.get("sort")
    found = [item for item in repo.comments.values() if since is None or item["updated_at"] >= since]
    descending = sort is not None and request.query.get("direction") == "desc"
    made = ordered(found, "updated_at" if sort == "updated" else "created_at", descending)
    return Listing(made.items)


def pulls(repo: Repo, request: Request) -> Listing:
    """Pull requests; descending by creation, ascending by anything else unless asked for."""
    state = choice(request, "state", ("open", "closed", "all"), "PullRequest")
    sort = request.query.get("sort", "created")
    field = {"created": "created_at", "updated": "updated_at"}.get(sort, "created_at")
    direction = request.query.get("direction", "desc" if sort == "created" else "asc")
    return Listing(ordered(by_state(list(repo.pulls.values()), state), field, direction == "desc").items)


def reviews(repo: Repo, request: Request, number: str) -> Listing:
    """The reviews of a pull request, in the order they were given."""
    if int(number) not in repo.pulls:
        raise Refused(error(404, "Not Found", "/rest/pulls/reviews#list-reviews-for-a-pull-request"))
    return Listing(repo.reviews.get(int(number), []))


def commits(repo: Repo, request: Request) -> Listing:
    """The commits of a branch, newest first; `since` and `until` go by the committer's date."""
    docs = "/rest/commits/commits#list-commits"
    if not repo.heads:
        raise Refused(error(409, "Git Repository is empty.", docs))
    found = repo.commit_items(request.query.get("sha"))
    if found is None:
        raise Refused(error(404, "Not Found", docs))
    since, until = since_of(request), since_of(request, "until")

    def fits(item: Json) -> bool:
        at = item["commit"]["committer"]["date"]
        return (since is None or at >= since) and (until is None or at <= until)

    return Listing([item for item in found if fits(item)])


def milestones(repo: Repo, request: Request) -> Listing:
    """Milestones by their due date; a sort the API does not know counts as that."""
    state = choice(request, "state", ("open", "closed", "all"), "Milestone")
    found = by_state(list(repo.milestones.values()), state)
    descending = request.query.get("direction") == "desc"
    return Listing(ordered(found, "due_on", descending).items)


def collaborators(repo: Repo, request: Request) -> Listing:
    """Collaborators, which only those with push access may see."""
    docs = "/rest/collaborators/collaborators#list-repository-collaborators"
    if not request.authenticated:
        raise Refused(error(401, "Requires authentication", docs))
    if not repo.push_access:
        raise Refused(error(403, "Must have push access to view repository collaborators.", docs))
    return Listing(repo.collaborators)


def workflow_runs(repo: Repo, request: Request) -> Listing:
    """Workflow runs, newest first; a filtered listing ends after a thousand."""
    query = request.query
    fields = {
        "branch": "head_branch",
        "event": "event",
        "head_sha": "head_sha",
        "check_suite_id": "check_suite_id",
    }

    def fits(run: Json) -> bool:
        if any(name in query and str(run[field]) != query[name] for name, field in fields.items()):
            return False
        if "actor" in query and run["actor"]["login"] != query["actor"]:
            return False
        if "status" in query and query["status"] not in (run["status"], run["conclusion"]):
            return False
        return "created" not in query or within(run["created_at"], query["created"])

    found = [run for run in repo.listed("workflow_runs") if fits(run)]
    return Listing(found[:SEARCH_LIMIT] if any(name in query for name in RUN_FILTERS) else found)


def stored(stream: str) -> Callable[[Repo, Request], Listing]:
    """A listing that takes no parameters but the page's."""
    return lambda repo, request: Listing(list(repo.listed(stream)))


LISTINGS: tuple[tuple[str, Callable[..., Listing]], ...] = (
    ("issues", issues),
    ("issues/comments", comments),
    ("pulls", pulls),
    (r"pulls/(\d+)/reviews", reviews),
    ("commits", commits),
    ("branches", stored("branches")),
    ("tags", stored("tags")),
    ("releases", stored("releases")),
    ("stargazers", stored("stargazers")),
    ("labels", stored("issue_labels")),
    ("milestones", milestones),
    ("collaborators", collaborators),
    ("actions/runs", workflow_runs),
)
