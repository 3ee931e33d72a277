"""Our own command line, which the airbyte-cdk's output is compared with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.connectors.process import Run, Toy
from tests.github_api import TOKEN, GithubApi

GITHUB = "source_github:GithubSource"
TOY = "tests.connectors.toy:ToySource"
_GITHUB = (sys.executable, "-c", "from source_github import GithubSource; GithubSource.main()")


def github(folder: Path, api: GithubApi, **settings: Any) -> Toy:
    """The GitHub connector's command line, pointed at the stand-in; one worker, so that messages have an order."""
    connector = Toy(folder, _GITHUB)
    connector.config = {
        "credentials": {"personal_access_token": TOKEN}, "repositories": list(api.repos), "api_url": api.url,
        "num_workers": 1, **settings,
    }  # fmt: skip
    return connector


def run(connector: Toy, command: str, catalog: Any = None, state: Any = None) -> Run:
    """One command to its end."""
    from tests.connectors.process import environment, execute

    arguments = [*connector.command, command]
    for name, value in (("config", connector.config), ("catalog", catalog), ("state", state)):
        if value is not None and not (name == "config" and command == "spec"):
            arguments += [f"--{name}", connector.file(f"{name}.json", value)]
    packages = Path(__file__).parents[2] / "connectors" / "source-github"
    path = environment()["PYTHONPATH"]
    return execute(arguments, env=environment(PYTHONPATH=f"{path}:{packages}"))


def comparable(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Everything but the logs, without times and stacks."""
    return [_timeless(message) for message in messages if message["type"] not in ("LOG", "DEBUG")]


def as_dumped(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As the airbyte-cdk would write them: of every source's records, it leaves out the fields that are null."""
    for message in messages:
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            message["record"]["data"] = {name: value for name, value in data.items() if value is not None}
    return messages


def _timeless(message: dict[str, Any]) -> dict[str, Any]:
    key = {"CONNECTION_STATUS": "connectionStatus"}.get(message["type"], message["type"].lower())
    content = {name: value for name, value in message[key].items() if name != "emitted_at"}
    if "error" in content:
        content["error"] = {name: value for name, value in content["error"].items() if name != "stack_trace"}
    return {"type": message["type"], key: content}
