"""Reads GitHub repositories into a SQLite file. A second run reads what changed since."""

import os

from headwater.bridge.vdk.data_flow import DataFlowInput, DestinationDefinition, SourceDefinition


def run(job_input):
    github = SourceDefinition(
        "github",
        "github",
        {
            "credentials": {"personal_access_token": os.environ["GITHUB_TOKEN"]},
            "repositories": os.environ.get("GITHUB_REPOSITORIES", "octo/alpha octo/beta").split(),
            "api_url": os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        },
    )
    sqlite = DestinationDefinition("sqlite", "headwater-sqlite", os.environ.get("GITHUB_DB", "github.db"))
    with DataFlowInput(job_input) as flows:
        flows.start(github, sqlite)
