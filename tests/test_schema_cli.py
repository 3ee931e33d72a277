"""``headwater schema``: what it reads, writes and says; and every command of docs/schemas.md."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater import HttpSource, HttpStream, cli, registry
from headwater.config import Config
from headwater.testing import Upstream, read
from tests.github_api import TOKEN, GithubApi, Repo

PAGE = Path(__file__).parents[1] / "docs" / "schemas.md"
INTEGER, STRING = {"type": "integer"}, {"type": "string"}


def message(stream: str, data: Any) -> str:
    return json.dumps({"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 1}})


OUTPUT = "\n".join(
    [
        '{"type":"TRACE","trace":{"type":"STREAM_STATUS"}}',
        "a library prints this",
        message("orders", {"id": 1}),
        "",
        message("orders", {"id": None}),
        '{"type":"STATE","state":{}}',
    ]
)
SINGER = '{"type":"SCHEMA","stream":"orders","schema":{}}\n{"type":"RECORD","stream":"orders","record":{"id":1}}\n'


class Run:
    """The command in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._capsys, self._monkeypatch = folder, capsys, monkeypatch
        monkeypatch.chdir(folder)

    def __call__(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = cli.main(["schema", *words])
        out, err = self._capsys.readouterr()
        return code, out, err

    def fields(self, *words: str, stdin: str = "") -> dict[str, Any]:
        code, out, _ = self("infer", *words, stdin=stdin)
        assert code == 0
        found: dict[str, Any] = json.loads(out)["properties"]
        return found

    def file(self, name: str, *records: Any) -> str:
        (self._folder / name).write_text("".join(f"{json.dumps(record)}\n" for record in records))
        return name


@pytest.fixture
def schema(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(tmp_path, capsys, monkeypatch)


class TestInfer:
    def test_of_json_lines(self, schema: Run) -> None:
        name = schema.file("r.jsonl", {"id": 1, "type": "RECORD"}, {"id": 2, "type": "x"})
        assert schema.fields(name) == {"id": INTEGER, "type": STRING}
        assert schema.fields(name, "--limit", "1") == schema.fields(name)

    @pytest.mark.parametrize("words", [(), ("-",), ("--stream", "orders")])
    def test_of_a_connectors_output_on_stdin(self, schema: Run, words: tuple[str, ...]) -> None:
        assert schema.fields(*words, stdin=OUTPUT) == {"id": {"type": ["null", "integer"]}}

    def test_of_a_singer_taps_output(self, schema: Run) -> None:
        assert schema.fields(stdin=SINGER) == {"id": INTEGER}

    def test_of_one_stream_of_several(self, schema: Run) -> None:
        both = f"{OUTPUT}\n{message('lines', {'n': 'x'})}"
        assert schema.fields("--stream", "lines", stdin=both) == {"n": STRING}
        code, _, err = schema("infer", stdin=both)
        assert code == 2 and "(orders, lines)" in err and "--stream" in err

    def test_a_connector_that_failed_is_told(self, schema: Run, caplog: pytest.LogCaptureFixture) -> None:
        failed = '{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"no quota"}}}'
        schema.fields(stdin=f"{OUTPUT}\n{failed}")
        assert "no quota" in caplog.text

    def test_a_merge_into_its_own_file(self, schema: Run, tmp_path: Path) -> None:
        first, second = schema.file("a", {"id": 1}), schema.file("b", {"id": 1.5, "new": True})
        assert schema("infer", first, "--output", "s.json") == (0, "", "")
        before = (tmp_path / "s.json").read_text()
        assert schema("infer", first, "--merge", "s.json", "--output", "s.json")[0] == 0
        assert (tmp_path / "s.json").read_text() == before
        assert schema("infer", second, "--merge", "s.json", "--output", "s.json")[0] == 0
        found = json.loads((tmp_path / "s.json").read_text())
        assert found["properties"] == {"id": {"type": "number"}, "new": {"type": ["null", "boolean"]}}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "s.json"]

    def test_a_field_of_several_types_is_told(self, schema: Run) -> None:
        _, out, err = schema("infer", schema.file("r", {"a": 1}, {"a": "x"}))
        assert json.loads(out)["properties"] == {"a": STRING}
        assert "a comes as integer, string" in err and "coerce = True" in err

    def test_of_no_records(self, schema: Run) -> None:
        code, out, err = schema("infer")
        assert (code, out) == (1, "") and "no records" in err

    @pytest.mark.parametrize(
        ("words", "stdin", "says"),
        [
            (["nowhere.jsonl"], "", "nowhere.jsonl can't be read"),
            ([], "{}\n[1]\n", "stdin, line 2: one JSON object"),
            ([], "{\n", "stdin, line 1: one JSON object"),
            (["--merge", "nowhere.json"], "{}", "nowhere.json is no usable JSON Schema"),
            (["--output", "no/where.json"], '{"a":1}', "can't be written"),
            (["--source", "shop"], "", "--config and a --stream"),
            (["f", "--source", "shop"], "", "not from both"),
        ],
    )
    def test_wrong_usage(self, schema: Run, words: list[str], stdin: str, says: str) -> None:
        code, out, err = schema("infer", *words, stdin=stdin)
        assert (code, out) == (2, "") and says in err

    def test_a_schema_that_is_no_object(self, schema: Run) -> None:
        assert schema("infer", "--merge", schema.file("s", [1]), stdin="{}")[0] == 2


class TestCheck:
    def test_records_that_fit_and_records_that_do_not(self, schema: Run) -> None:
        declared = schema.file("s.json", {"properties": {"id": INTEGER}})
        fine, wrong = schema.file("a", {"id": 1}), schema.file("b", {"id": "1"}, {"id": 1, "x": 0})
        assert schema("check", fine, "--schema", declared) == (0, "", "1 records looked at: all fit.\n")
        code, out, _ = schema("check", wrong, "--schema", declared)
        assert code == 1
        assert out.splitlines() == [
            "id: string, where integer is declared (1 record, first: 1)",
            "x: not in the schema (1 record, first: 2)",
        ]
        assert schema("check", wrong, "--schema", declared, "--coerce")[1].startswith("x:")
        assert schema("check", wrong, "--schema", declared, "--coerce", "--allow-undeclared")[0] == 0
        assert schema("check", wrong, "--schema", declared, "--limit", "1", "--coerce")[0] == 0

    def test_of_no_records(self, schema: Run) -> None:
        assert schema("check", "--schema", schema.file("s.json", {}))[0] == 1

    def test_without_a_schema(self, schema: Run) -> None:
        code, _, err = schema("check", "f")
        assert code == 2 and "--schema" in err


class ShopConfig(Config):
    url: str


class Orders(HttpStream):
    name = "orders"
    path = "orders"
    schema = {"properties": {"id": INTEGER}}
    coerce = True


class Plain(Orders):
    name = "plain"
    coerce = False


class Shop(HttpSource):
    name = "shop"
    config: ShopConfig

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[HttpStream]:
        return [Orders(self), Plain(self)]


class TestSource:
    @pytest.fixture
    def api(self, schema: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
        monkeypatch.setattr(registry, "find", lambda name: Shop)
        with Upstream() as api:
            api.on("/orders", json=[{"id": "1"}, {"id": "2"}])
            schema.file("config.json", {"url": api.url})
            yield api

    def words(self, stream: str) -> list[str]:
        return ["--source", "shop", "--config", "config.json", "--stream", stream]

    def test_its_records_are_looked_at_as_they_come(self, schema: Run, api: Upstream) -> None:
        assert read(Shop.from_config({"url": api.url}), "orders").records["orders"] == [{"id": 1}, {"id": 2}]
        assert schema.fields(*self.words("orders")) == {"id": STRING}

    def test_they_are_compared_with_its_schema(self, schema: Run, api: Upstream) -> None:
        assert schema("check", *self.words("orders"))[0] == 0
        assert schema("check", *self.words("plain"))[:2] == (
            1,
            "id: string, where integer is declared (2 records, first: 1)\n",
        )

    def test_a_stream_that_it_does_not_have(self, schema: Run, api: Upstream) -> None:
        code, _, err = schema("infer", *self.words("none"))
        assert code == 2 and "orders, plain" in err


# --- the page ------------------------------------------------------------------------------------------------------

COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S) for line in block.splitlines()
]
MISFITS = {"headwater schema check orders.jsonl --schema schemas/orders.json": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files that the page speaks of, and a small GitHub."""
    path = tmp_path_factory.mktemp("page")
    (path / "schemas").mkdir()
    (path / "orders.jsonl").write_text('{"id":1,"at":"2021-03-01"}\n{"id":2,"at":"2021-03-02"}\n')
    (path / "orders-new.jsonl").write_text('{"id":"3","at":"2021-03-03","new":true}\n')
    (path / "output.jsonl").write_text(f"{OUTPUT}\n{message('lines', {'n': 1})}\n")
    with GithubApi(repos={"octo/alpha": Repo(30)}) as api:
        credentials = {"option_title": "PAT Credentials", "personal_access_token": TOKEN}
        config = {"credentials": credentials, "repositories": ["octo/alpha"], "api_url": api.url}
        (path / "config.json").write_text(json.dumps(config))
        yield path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page(command: str, folder: Path) -> None:
    declared = folder / "schemas" / "orders.json"
    if not declared.exists() or "--merge" in command:
        declared.write_text('{"type":"object","properties":{"id":{"type":["null","integer"]},"at":{"type":"integer"}}}')
    if "--coerce" in command or "--allow" in command or "cat " in command:
        declared.write_text('{"type":"object","properties":{"id":{},"at":{},"new":{}}}')
    elif "check orders.jsonl" in command:
        declared.write_text('{"type":"object","properties":{"id":{"type":"integer"}}}')
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == MISFITS.get(command, 0), done.stderr + done.stdout
    if "--output" in command:
        assert json.loads((folder / command.split()[-1]).read_text())["properties"]
    elif "infer" in command:
        assert json.loads(done.stdout)["properties"]


def test_the_page_shows_every_option() -> None:
    known = set(re.findall(r"--[a-z-]+", " ".join(COMMANDS)))
    help_texts = "".join(
        subprocess.run(
            [sys.executable, "-m", "headwater", "schema", action, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for action in ("infer", "check")
    )
    assert set(re.findall(r"--[a-z-]+", help_texts)) - {"--help", "--debug"} == known


def test_the_code_of_the_page_runs() -> None:
    module = type(sys)("docs_schemas")
    sys.modules[module.__name__] = module
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        exec(compile(block, str(PAGE), "exec"), module.__dict__)
    from headwater.schema import json_schema

    properties = json_schema(module.Orders.schema, "orders")["properties"]
    assert properties["placed_at"]["airbyte_type"] == "timestamp_with_timezone"
    assert module.Payments.coerce
