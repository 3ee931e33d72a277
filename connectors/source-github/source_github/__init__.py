"""GitHub's repositories, issues, pull requests, commits and more, by its REST API."""

from source_github.config import GithubConfig, OAuthCredentials, PatCredentials
from source_github.source import GithubSource
from source_github.streams import GithubStream

__all__ = ["GithubConfig", "GithubSource", "GithubStream", "OAuthCredentials", "PatCredentials"]
