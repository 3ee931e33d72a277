"""GitLab's groups, projects, issues, merge requests, commits, pipelines and more, by its REST API."""

from source_gitlab.config import GitlabConfig, OAuthCredentials, TokenCredentials
from source_gitlab.source import GitlabSource
from source_gitlab.streams import GitlabStream

__all__ = ["GitlabConfig", "GitlabSource", "GitlabStream", "OAuthCredentials", "TokenCredentials"]
