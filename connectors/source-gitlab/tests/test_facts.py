"""This connector and source-github's have nothing in common but the SDK: no function is in both."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from headwater import registry
from source_gitlab import GitlabSource
from tests.gitlab_api import TOKEN, GitlabApi

CONNECTORS = Path(__file__).resolve().parents[2]
TAP = [sys.executable, "-c", "from source_gitlab import GitlabSource; GitlabSource.tap_main()"]


def bodies(connector: str) -> Iterator[tuple[str, str, int]]:
    """Each function's name, its body without names' docstring, and how many statements that is."""
    for path in sorted((CONNECTORS / f"source-{connector}" / f"source_{connector}").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                statements = sum(isinstance(inner, ast.stmt) for outer in body for inner in ast.walk(outer))
                yield node.name, "\n".join(map(ast.dump, body)), statements


def test_no_logic_is_in_both_connectors() -> None:
    theirs = {body for _, body, _ in bodies("github")}
    shared = {name for name, body, statements in bodies("gitlab") if body in theirs and statements > 1}
    assert shared == set()


def test_it_is_facts() -> None:
    """Nothing longer than a screen, and nothing that sends, waits, pages or keeps a state by itself."""
    source = "".join(path.read_text("utf-8") for path in (CONNECTORS / "source-gitlab" / "source_gitlab").glob("*.py"))
    assert max(statements for _, _, statements in bodies("gitlab")) <= 20
    for name in ("import requests", "sleep(", "Session", "threading", "StreamState", "while "):
        assert name not in source.replace("from requests import Response", ""), name


def test_it_is_known_by_its_name() -> None:
    assert registry.find("gitlab") is GitlabSource


def test_it_is_a_singer_tap_with_singers_config(api: GitlabApi, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": api.url, "private_token": TOKEN, "groups": "acme", "projects": ""}))
    told = subprocess.run([*TAP, "--config", str(config), "--discover"], capture_output=True, check=True, timeout=120)
    catalog = json.loads(told.stdout)
    assert [entry["stream"] for entry in catalog["streams"]] == [
        "groups", "projects", "issues", "merge_requests", "commits", "pipelines", "jobs", "users", "releases", "tags",
    ]  # fmt: skip
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] == []:
                item["metadata"]["selected"] = entry["stream"] == "issues"
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    command = [*TAP, "--config", str(config), "--catalog", str(tmp_path / "catalog.json")]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.splitlines()
    records = [message["record"] for message in map(json.loads, lines) if message["type"] == "RECORD"]
    wanted = {item["id"] for name in ("acme/api", "acme/web/site") for item in api.truth("issues", name)}
    assert {record["id"] for record in records} == wanted
