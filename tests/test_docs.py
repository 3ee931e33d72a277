"""What the documentation shows is run."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.testing import Upstream
from tests.github_api import TOKEN, GithubApi, Repo

ROOT = Path(__file__).parents[1]
ORDERS = [{"id": number, "updated_at": f"2024-01-0{number}T00:00:00Z"} for number in range(1, 4)]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def named(page: str, name: str) -> str:
    """The Python block that begins with its file's name."""
    (found,) = [block for block in blocks(page, "python") if block.startswith(f"# {name}\n")]
    return found


@pytest.fixture
def shop() -> Iterator[Upstream]:
    """The API that README's connector reads."""
    with Upstream() as api:
        next_page = {"Link": f'<{api.url}/orders?page=2>; rel="next"'}
        api.on("/orders", json=ORDERS[:2], headers=next_page)
        api.on("/orders", query={"page": "2"}, json=ORDERS[2:])
        yield api


def test_the_connector_in_readme_is_a_whole_one(tmp_path: Path, shop: Upstream) -> None:
    code = named("README.md", "shop.py")
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 20
    (tmp_path / "shop.py").write_text(code)
    (tmp_path / "config.json").write_text(json.dumps({"token": "t0ken", "api_url": shop.url}))
    catalog = {"streams": [{"stream": {"name": "orders", "json_schema": {}}, "sync_mode": "incremental"}]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "state.json").write_text("[]")
    (command,) = re.findall(r"`(python shop.py read [^`]*)`", (ROOT / "README.md").read_text())
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [m["record"]["data"] for m in messages if m["type"] == "RECORD"] == ORDERS
    states = [m["state"]["stream"]["stream_state"] for m in messages if m["type"] == "STATE"]
    assert states[-1] == {"updated_at": ORDERS[-1]["updated_at"]}
    assert shop.requests[0].headers["Authorization"] == "Bearer t0ken"


@pytest.fixture
def github() -> Iterator[GithubApi]:
    """A small GitHub."""
    with GithubApi(repos={"octo/alpha": Repo(30)}) as api:
        yield api


def issues(database: Path) -> int:
    """How many issues landed."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM issues").fetchone()[0])


def test_the_data_job_in_readme_runs(tmp_path: Path, github: GithubApi) -> None:
    pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")
    code = named("README.md", "10_read_github.py")
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 10
    job = tmp_path / "job"
    job.mkdir()
    pointed = code.replace('"repositories":', f'"api_url": "{github.url}", "repositories":')
    pointed = pointed.replace('job_input.get_property("github_token")', repr(TOKEN))
    (job / "10_read_github.py").write_text(pointed)
    vdk = Path(sys.executable).with_name("vdk")
    done = subprocess.run([str(vdk), "run", str(job)], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert issues(next(tmp_path.rglob("github.db"))) == 30


def test_the_flow_in_readme_runs(tmp_path: Path, github: GithubApi) -> None:
    (flow,) = blocks("README.md", "toml")
    pointed = flow.replace("config = { ", f'config = {{ api_url = "{github.url}", ')
    (tmp_path / "flow.toml").write_text(pointed)
    command = [sys.executable, "-m", "headwater", "run", "flow.toml"]
    environment = {**os.environ, "GITHUB_TOKEN": TOKEN}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert issues(tmp_path / "github.db") == 30


PAGES = ["docs/write-a-connector.md", "docs/extend-a-connector.md"]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page: str) -> None:
    names: dict[str, Any] = {"__name__": f"docs_{Path(page).stem.replace('-', '_')}"}
    module = type(sys)(names["__name__"])
    sys.modules[module.__name__] = module
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), module.__dict__)
    assert len(vars(module)) > 3


def test_the_shop_of_the_page_reads_orders_and_their_lines() -> None:
    test_the_code_of_a_page_runs("docs/write-a-connector.md")
    module = sys.modules["docs_write_a_connector"]
    from headwater.testing import read

    with Upstream() as api:
        api.on("/shops/berlin/orders", json=ORDERS)
        for order in ORDERS:
            api.on(f"/shops/berlin/orders/{order['id']}/lines", json=[{"id": order["id"] * 10}])
        source = module.Shop.from_config({"token": "t", "shops": ["berlin"]})
        source.base_url = lambda: api.url
        result = read(source, "orders", "order_lines")
        assert [row["id"] for row in result.records["orders"]] == [1, 2, 3]
        assert [row["id"] for row in result.records["order_lines"]] == [10, 20, 30]


def test_the_commands_for_a_connector_in_the_making_run(tmp_path: Path) -> None:
    page = "docs/write-a-connector.md"
    (commands,) = [block for block in blocks(page, "sh") if block.startswith("python source_shop.py check")]
    (tmp_path / "config.json").write_text(json.dumps({"token": "t", "shops": ["berlin"]}))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TMPDIR": str(tmp_path)}
    printed = []
    with Upstream() as api:
        api.on("/shops/berlin/orders", json=ORDERS)
        for order in ORDERS:
            api.on(f"/shops/berlin/orders/{order['id']}/lines", json=[{"id": order["id"] * 10}])
        code = "\n".join(blocks(page, "python"))
        (tmp_path / "source_shop.py").write_text(code.replace("https://shop.example/api", api.url))
        for command in commands.splitlines():
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True
            )
            assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
            printed.append(done.stdout)
        asked = [request.query for request in api.requests if request.path == "/shops/berlin/orders"]
    assert "SUCCEEDED" in printed[0]
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines() if '"RECORD"' in line]
    assert sorted(record["record"]["data"]["id"] for record in records) == [1, 2, 3, 10, 20, 30]
    assert asked[-1]["updated_since"] in (ORDERS[-1]["updated_at"], [ORDERS[-1]["updated_at"]])
    assert '"STATE"' in printed[-1]


def test_a_child_of_the_page_without_a_cursor_takes_its_parents() -> None:
    test_the_code_of_a_page_runs("docs/write-a-connector.md")
    module = sys.modules["docs_write_a_connector"]
    from headwater.testing import read

    class Shop(module.Shop):  # type: ignore[name-defined,misc]
        def streams(self) -> list[Any]:
            return [module.Parcels(self)]

    with Upstream() as api:
        api.on("/shops/berlin/orders", json=ORDERS)
        for order in ORDERS:
            api.on(f"/shops/berlin/orders/{order['id']}/parcels", json=[{"id": order["id"] * 10}])
        source = Shop.from_config({"token": "t", "shops": ["berlin"]})
        source.base_url = lambda: api.url
        first = read(source).ok()
        assert [row["id"] for row in first.records["parcels"]] == [10, 20, 30]
        assert [row["id"] for row in read(source, state=first).ok().records["parcels"]] == [30]


def test_the_children_of_the_page_have_their_parents_records() -> None:
    test_the_code_of_a_page_runs("docs/write-a-connector.md")
    module = sys.modules["docs_write_a_connector"]
    from headwater.testing import read

    with Upstream() as api:
        api.on("/shops/berlin/orders", json=[{"id": 1}, {"id": 2}])
        for order in (1, 2):
            refunds = [{"id": order * 10, "updated_at": f"2024-01-0{order}T00:00:00Z"}]
            api.on(f"/shops/berlin/orders/{order}/refunds", json=refunds)
            api.on(f"/shops/berlin/orders/{order}/refunds/{order * 10}/notes", json=[{"id": order * 100}])

        class Refunding(module.Shop):  # type: ignore[misc, name-defined]
            def base_url(self) -> str:
                return str(api.url)

            def streams(self) -> list[Any]:
                return [module.Refunds(self), module.Notes(self)]

        result = read(Refunding.from_config({"token": "t", "shops": ["berlin"]})).ok()
        assert sorted(row["id"] for row in result.records["notes"]) == [100, 200]
        blob: Any = result.states[0].stream_state
        assert [entry["partition"] for entry in blob["states"]] == [
            {"shop": "berlin", "orders_id": 1},
            {"shop": "berlin", "orders_id": 2},
        ]


def test_the_payments_of_the_page_are_read_in_windows() -> None:
    test_the_code_of_a_page_runs("docs/write-a-connector.md")
    module = sys.modules["docs_write_a_connector"]
    from headwater.testing import read

    with Upstream() as api:
        api.on("/shops/berlin/payments", body=lambda request: [{"id": 1, "booked_at": request.query["since"]}])

        class Paid(module.Shop):  # type: ignore[misc, name-defined]
            def base_url(self) -> str:
                return str(api.url)

            def streams(self) -> list[Any]:
                return [module.Payments(self)]

        read(Paid.from_config({"token": "t", "shops": ["berlin"], "start_date": "2026-01-01"}), "payments").ok()
        asked = sorted((request.query["since"], request.query.get("until")) for request in api.requests)
        assert asked[:2] == [("2026-01-01", "2026-01-31"), ("2026-01-31", "2026-03-02")]
        assert asked[-1][1] is None


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
