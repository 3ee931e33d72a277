"""A local stand-in of the GitHub REST API, to be used as an object or with `python -m tests.github_api`."""

from .api import TOKEN, Drift, GithubApi
from .faults import KINDS, Fault
from .messages import LoggedRequest
from .quota import Quota
from .repo import RECORDED_NAME, Repo
from .store import STREAMS

__all__ = [
    "KINDS",
    "RECORDED_NAME",
    "STREAMS",
    "TOKEN",
    "Drift",
    "Fault",
    "GithubApi",
    "LoggedRequest",
    "Quota",
    "Repo",
]
