"""A local stand-in of GitLab's REST API (version 4), served from a thread of the test's process."""

from .api import TOKEN, Drift, GitlabApi, LoggedRequest
from .faults import KINDS, Fault
from .project import STREAMS, Project

__all__ = ["KINDS", "STREAMS", "TOKEN", "Drift", "Fault", "GitlabApi", "LoggedRequest", "Project"]
