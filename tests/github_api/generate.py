"""Fills a repository with deterministic items."""

from __future__ import annotations

import random

from . import git_items, items
from .changes import RepoChanges
from .clock import seconds_of, stamp_of
from .payloads import Json, label, people, reactions
from .words import ASSOCIATIONS, BODIES, REVIEW_STATES, RUN_CONCLUSIONS, RUN_EVENTS, TITLES

START = seconds_of("2021-06-01T00:00:00Z")
END = seconds_of("2024-06-01T00:00:00Z")
DAY = 86_400


def moments(rng: random.Random, count: int) -> list[int]:
    """Rising Unix seconds spread over three years."""
    step = (END - START - 30 * DAY) // max(count, 1)
    return [START + n * step + rng.randrange(min(step, 7200)) for n in range(count)]


def later(rng: random.Random, at: int, days: float) -> int:
    """A moment after `at`, never after the end of the generated years."""
    return min(at + int(rng.expovariate(1 / (days * DAY))), END)


def share_seconds(items_of: list[Json], field: str, size: int) -> None:
    """Gives runs of neighbours one and the same second, among them the neighbours of a page's edge."""
    ranked = sorted(items_of, key=lambda item: (item[field], item.get("id", 0)))
    for first in {10, 100 - size // 2, len(ranked) // 2, len(ranked) - size}:
        group = ranked[max(first, 0) : max(first, 0) + size]
        for item in group[:-1]:
            item[field] = group[-1][field]


def fill(repo: RepoChanges, seed: object) -> None:
    """Generates everything the repository's counts ask for; the same seed gives the same items."""
    rng = random.Random(f"{seed}/{repo.full_name}")
    repo.labels = [label(repo.full_name, n) for n in range(repo.counts["labels"])]
    fill_milestones(repo, rng)
    fill_issues(repo, rng)
    fill_pulls(repo, rng)
    fill_comments(repo, rng)
    fill_commits(repo, rng)
    fill_rest(repo, rng)
    repo.refresh()


def fill_milestones(repo: RepoChanges, rng: random.Random) -> None:
    """Milestones, one in three closed."""
    for n, at in enumerate(moments(rng, repo.counts["milestones"]), 1):
        state = "closed" if n % 3 == 0 else "open"
        times = (stamp_of(at), stamp_of(later(rng, at, 60)))
        repo.milestones[n] = items.milestone(repo.full_name, n, rng.choice(people()), state, *times)


def fill_issues(repo: RepoChanges, rng: random.Random) -> None:
    """Issues and the issue side of pull requests, in one row of numbers as on GitHub."""
    count, pulls = repo.counts["issues"], repo.counts["pulls"]
    made = set(rng.sample(range(1, count + 1), min(pulls, count)))
    for number, at in enumerate(moments(rng, count), 1):
        updated, closed = later(rng, at, 45), rng.random() < 0.45
        users = rng.sample(people(), rng.choice([0, 0, 0, 1, 2]))
        fields: Json = {
            "title": f"{rng.choice(TITLES)} (#{number})",
            "body": rng.choice(BODIES),
            "created_at": stamp_of(at),
            "updated_at": stamp_of(updated),
            "state": "closed" if closed else "open",
            "closed_at": stamp_of(updated) if closed else None,
            "labels": rng.sample(repo.labels, min(len(repo.labels), rng.randrange(4))),
            "assignee": users[0] if users else None,
            "assignees": users,
            "milestone": rng.choice([None, None, *repo.milestones.values()]),
            "author_association": rng.choice(ASSOCIATIONS),
            "locked": rng.random() < 0.05,
        }
        merged = stamp_of(updated) if closed and rng.random() < 0.7 else None
        if number in made:
            fields |= {
                "pull_request": items.pull_link(repo.full_name, number, merged),
                "draft": rng.random() < 0.1,
            }
        elif closed:
            fields |= {"state_reason": "completed", "closed_by": rng.choice(people())}
        if fields["locked"]:
            fields["active_lock_reason"] = rng.choice(["resolved", "too heated", None])
        author = None if rng.random() < 0.02 else rng.choice(people())
        issue = items.issue(repo.full_name, number, author, **fields)
        issue["reactions"] = reactions(issue["url"], {"+1": rng.randrange(9), "eyes": rng.randrange(2)})
        repo.issues[number] = issue
    share_seconds(list(repo.issues.values()), "updated_at", repo.shared_second)


def fill_pulls(repo: RepoChanges, rng: random.Random) -> None:
    """The pull request side of the issues that are one, with their reviews."""
    n = 0
    for number, issue in repo.issues.items():
        if "pull_request" not in issue:
            continue
        pull = items.pull(repo.full_name, issue, repo.repository, rng.random() < 0.15)
        pull["requested_reviewers"] = rng.sample(people(), rng.choice([0, 0, 1]))
        repo.pulls[number] = pull
        if number % 4 == 0 and issue["state"] == "open":
            pull["auto_merge"] = {
                "enabled_by": rng.choice(people()),
                "merge_method": "squash",
                "commit_title": None,
                "commit_message": None,
            }
        created, last = seconds_of(pull["created_at"]), seconds_of(pull["updated_at"])
        for _ in range(rng.randrange(repo.counts["reviews_per_pull"] + 1)):
            n += 1
            at = stamp_of(rng.randint(created, max(created, last)))
            who, state = rng.choice(people()), rng.choice(REVIEW_STATES)
            body = rng.choice(BODIES) or ""
            review = items.review(repo.full_name, n, pull, who, state, body, at)
            repo.reviews.setdefault(number, []).append(review)
        repo.reviews.get(number, []).sort(key=lambda review: review["submitted_at"])


def fill_comments(repo: RepoChanges, rng: random.Random) -> None:
    """Comments on random issues."""
    numbers = list(repo.issues) or [1]
    for n, at in enumerate(moments(rng, repo.counts["comments"]), 1):
        number = rng.choice(numbers)
        times = {"created_at": stamp_of(at), "updated_at": stamp_of(later(rng, at, 5))}
        author = None if rng.random() < 0.02 else rng.choice(people())
        body = rng.choice(BODIES) or "👍"
        item = items.comment(repo.full_name, n, number, author, body, **times)
        repo.comments[item["id"]] = item
        if number in repo.issues:
            repo.issues[number]["comments"] += 1
    share_seconds(list(repo.comments.values()), "updated_at", repo.shared_second)


def fill_commits(repo: RepoChanges, rng: random.Random) -> None:
    """A chain of commits a branch; every branch but the default one leaves it half-way.

    One commit in ten was written long before it was committed: `since` goes by the committer's date.
    """
    main: list[str] = []
    for index, name in enumerate(repo.branch_names):
        shas = main[: len(main) // 2]
        count = repo.counts["commits"] if index == 0 else repo.counts["commits"] // 10
        first = END - DAY * 30 if index else 0
        for n, at in enumerate(moments(rng, count)):
            committed = max(at, first + n * 3600) if index else at
            authored = committed - (rng.randrange(90) * DAY if rng.random() < 0.1 else 0)
            sha = items.sha_of(repo.full_name, name, n, "commit")
            parents = shas[-1:] + ([items.sha_of("merged", sha)] if n % 20 == 19 else [])
            author = None if rng.random() < 0.1 else rng.choice(people())
            times = {"authored": stamp_of(authored), "committed": stamp_of(committed)}
            message = f"{rng.choice(TITLES)}\n\n{rng.choice(BODIES) or ''}".strip()
            repo.commits[sha] = git_items.commit(repo.full_name, sha, parents, author, message, **times)
            shas.append(sha)
        if shas:
            repo.heads[name] = shas
        main = main or shas


def fill_rest(repo: RepoChanges, rng: random.Random) -> None:
    """Releases, tags, stars, collaborators and workflow runs."""
    for n, at in enumerate(moments(rng, repo.counts["releases"]), 1):
        body = rng.choice(BODIES) or "Notes"
        item = git_items.release(repo.full_name, n, rng.choice(people()), body, stamp_of(at))
        repo.releases[item["id"]] = item
    chain = repo.heads.get(repo.default_branch, [])
    tagged = [(f"v0.{n}.0", rng.choice(chain)) for n in range(repo.counts["tags"]) if chain]
    repo.tags = [git_items.tag(repo.full_name, name, sha) for name, sha in reversed(tagged)]
    for _ in range(repo.counts["collaborators"]):
        repo.add_collaborator()
    stars = moments(rng, repo.counts["stargazers"])
    for at in stars:
        repo.add_stargazer()
        repo.stars[-1]["starred_at"] = stamp_of(at)
    share_seconds(repo.stars, "starred_at", repo.shared_second)
    owner = repo.repository["owner"]
    for n, at in enumerate(moments(rng, repo.counts["workflow_runs"]), 1):
        who, stamp = rng.choice(people()), stamp_of(at)
        run = git_items.workflow_run(repo.full_name, n, owner, who, stamp)
        run |= {"event": rng.choice(RUN_EVENTS), "conclusion": rng.choice(RUN_CONCLUSIONS)}
        run["updated_at"] = stamp_of(min(at + rng.randrange(30, 7200), END))
        repo.runs[run["id"]] = run
