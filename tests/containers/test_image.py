"""Images of our connectors: what is in them, and that they run as the platform and others run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headwater.bridge.foreign import DockerSource
from headwater.bridge.runners import DockerRunner
from headwater.cli import main
from headwater.errors import ConfigError
from headwater.image import Connector, build_image, dockerfile
from headwater.image.dockerfile import IGNORED
from tests.containers import OWN
from tests.containers.test_runner import ran
from tests.github_api import TOKEN, GithubApi, Repo

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[2]
CONNECTORS = ROOT / "connectors"
PLATFORM = {
    "user": "1000:1000",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "network_mode": "host",
    "detach": True,
    "labels": {"headwater-tests": OWN},
}


@pytest.fixture
def api() -> Iterator[GithubApi]:
    with GithubApi(repos={"octo/alpha": Repo(30)}) as api:
        yield api


@pytest.fixture
def run(client: DockerClient) -> Iterator[Callable[..., Any]]:
    """Runs a container and gives it once it started; it is removed at the end."""
    made: list[Any] = []

    def run(image: str, **options: Any) -> Any:
        made.append(client.containers.run(image, **{**PLATFORM, **options}))
        return made[-1]

    yield run
    for container in made:
        container.remove(force=True)


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_what_is_in_it(client: DockerClient, name: str, request: pytest.FixtureRequest) -> None:
    config = client.images.get(request.getfixturevalue(name)).attrs["Config"]
    variables = dict(variable.split("=", 1) for variable in config["Env"])
    assert config["User"] == "airbyte"
    assert config["Entrypoint"] == [variables["AIRBYTE_ENTRYPOINT"]]
    metadata = (CONNECTORS / f"source-{name}" / "metadata.yaml").read_text()
    for label, key in (("name", "dockerRepository"), ("version", "dockerImageTag")):
        assert config["Labels"][f"io.airbyte.{label}"] == re.findall(rf"{key}: (\S+)", metadata)[0]


@pytest.mark.parametrize("name", ["github", "gitlab", "mysql", "postgres", "sqlite"])
def test_its_dockerfile_is_the_one_that_the_command_writes(name: str) -> None:
    folder = CONNECTORS / f"source-{name}"
    assert (folder / "Dockerfile").read_text() == dockerfile(Connector.of_folder(folder))
    assert (folder / ".dockerignore").read_text() == IGNORED


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_it_tells_its_spec_without_a_network(name: str, request: pytest.FixtureRequest) -> None:
    image = request.getfixturevalue(name)
    source = type("Ours", (DockerSource,), {"image": image, "pull": "never", "read_only": True})
    properties = source.from_config({}).spec().raw["connectionSpecification"]["properties"]
    assert "credentials" in properties


def test_it_runs_as_airbyte_without_our_credentials_in_its_layers(github: str, client: DockerClient) -> None:
    script = "id -un; id -u; pwd; touch /airbyte/x && cat /entrypoint.sh"
    out, _ = ran(DockerRunner(github, entrypoint=["sh", "-c", script]))
    assert out.decode().splitlines()[:3] == ["airbyte", "1000", "/airbyte"]
    assert "exec /opt/connector/bin/source-github" in out.decode()
    history = json.dumps(client.images.get(github).history())
    assert "index-url" not in history
    assert "find-links /wheels" not in history  # of the first stage, which is left behind


def given(folder: Path, api: GithubApi) -> dict[str, Path]:
    """Config, catalog and state of a read of issues, open to every user as the platform's are."""
    config = {
        "credentials": {"personal_access_token": TOKEN},
        "repositories": ["octo/alpha"],
        "api_url": api.url,
        "start_date": "2000-01-01T00:00:00Z",
    }
    catalog = {"streams": [{"stream": {"name": "issues", "json_schema": {}}, "sync_mode": "incremental"}]}
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    for name, content in (("config", config), ("catalog", catalog), ("state", [])):
        (folder / f"{name}.json").write_text(json.dumps(content))
        (folder / f"{name}.json").chmod(0o644)
    return {name: folder / f"{name}.json" for name in ("config", "catalog", "state")}


def issues(lines: bytes) -> list[int]:
    messages = [json.loads(line) for line in lines.split(b"\n") if line]
    return sorted(m["record"]["data"]["number"] for m in messages if m["type"] == "RECORD")


def test_the_platforms_read(run: Callable[..., Any], github: str, api: GithubApi, tmp_path: Path) -> None:
    """A shell evaluates AIRBYTE_ENTRYPOINT in /source, and the output goes into named pipes."""
    files = given(tmp_path / "source", api)
    for name, path in (("connectorConfig", "config"), ("catalog", "catalog"), ("inputState", "state")):
        files[path].rename(files[path].with_name(f"{name}.json"))
    for pipe in ("stdout", "stderr"):
        os.mkfifo(tmp_path / "source" / pipe)
        (tmp_path / "source" / pipe).chmod(0o666)
    command = (
        'eval "$AIRBYTE_ENTRYPOINT read --config /source/connectorConfig.json --catalog /source/catalog.json '
        '--state /source/inputState.json" 2> stderr > stdout'
    )
    volumes = {str(tmp_path / "source"): {"bind": "/source", "mode": "rw"}}
    container = run(
        github, entrypoint=["sh"], command=["-c", command], working_dir="/source", volumes=volumes,
        environment={"DEPLOYMENT_MODE": "OSS", "USE_STREAM_CAPABLE_STATE": "true"},
    )  # fmt: skip
    with open(tmp_path / "source" / "stderr", "rb") as stderr, open(tmp_path / "source" / "stdout", "rb") as stdout:
        assert issues(stdout.read()) == sorted(row["number"] for row in api.truth("issues", "octo/alpha"))
        assert stderr.read() == b""
    assert container.wait(timeout=120)["StatusCode"] == 0


@pytest.mark.parametrize("where", ["/config/connectionConfiguration.json", "/data/config.json", "/secrets/config.json"])
def test_check_and_discover_wherever_the_config_is(
    run: Callable[..., Any], github: str, api: GithubApi, tmp_path: Path, where: str
) -> None:
    config = given(tmp_path / "given", api)["config"]
    for command, word in (("check", b"SUCCEEDED"), ("discover", b'"CATALOG"')):
        container = run(github, command=[command, "--config", where], volumes=[f"{config}:{where}:rw"])
        assert container.wait(timeout=120)["StatusCode"] == 0
        assert word in container.logs(stdout=True, stderr=False)


def test_any_user_and_a_read_only_root(run: Callable[..., Any], github: str, api: GithubApi, tmp_path: Path) -> None:
    files = given(tmp_path / "data", api)
    command = ["read", *(word for name in files for word in (f"--{name}", f"/data/{name}.json"))]
    volumes = [f"{tmp_path / 'data'}:/data:ro"]
    container = run(github, command=command, volumes=volumes, user="4321:4321", read_only=True, working_dir="/data")
    assert container.wait(timeout=120)["StatusCode"] == 0
    assert len(issues(container.logs(stdout=True, stderr=False))) == len(api.truth("issues", "octo/alpha"))


def test_docker_stop_ends_it_with_a_state(run: Callable[..., Any], github: str, api: GithubApi, tmp_path: Path) -> None:
    """It is the container's first process, to which a signal without a handler would do nothing."""
    api.fault("hang", "*/issues*", times=None)
    files = given(tmp_path / "data", api)
    command = ["read", *(word for name in files for word in (f"--{name}", f"/data/{name}.json"))]
    container = run(github, command=command, volumes=[f"{tmp_path / 'data'}:/data:ro"])
    end = time.monotonic() + 120
    while not any("/issues" in line.path for line in api.requests) and time.monotonic() < end:
        time.sleep(0.05)
    container.stop(timeout=120)
    assert container.wait(timeout=120)["StatusCode"] == 143
    last = [json.loads(line) for line in container.logs(stdout=True, stderr=False).split(b"\n") if line]
    statuses = [m["trace"]["stream_status"]["status"] for m in last if m.get("trace", {}).get("stream_status")]
    assert statuses[-1] == "INCOMPLETE"


def test_the_commands_of_the_page(base: str, tmp_path: Path) -> None:
    """All of them, in a copy of what they need."""
    page = (ROOT / "docs" / "images.md").read_text()
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    for name in ("pyproject.toml", "README.md", "sdk", "connectors"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "wheels")
        shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path)
    pointed = commands.replace("python:3.11-slim", base)
    pointed = re.sub(r"headwater/(source-\w+):0\.1\.0", rf"headwater-tests/\1:{OWN}-page", pointed)
    pointed = re.sub(r"^pip ", f"{sys.executable} -m pip --quiet ", pointed, flags=re.MULTILINE)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    pointed += f"docker run --rm --network none headwater-tests/source-gitlab:{OWN}-page spec"
    script = ["sh", "-e", "-c", pointed]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('"type":"SPEC"') == 2


def test_a_base_image_without_compiled_modules_gets_them(build: Any, tmp_path: Path) -> None:
    bare = build("RUN find / -xdev -name __pycache__ -type d -prune -exec rm -rf {} +\n", {})
    image = build_image(CONNECTORS / "source-github", base_image=bare, tag=f"headwater-tests/compiled:{OWN}")
    code = "import json, os; print(os.path.exists(json.__cached__))"
    assert ran(DockerRunner(image, entrypoint=["python3", "-B", "-c", code]))[0] == b"True\n"


def project(folder: Path, **more: str) -> Path:
    folder.mkdir()
    scripts = more.get("scripts", '[project.scripts]\nsource-x = "x:main"\n')
    (folder / "pyproject.toml").write_text(f'[project]\nname = "source-x"\nversion = "1.0"\n{scripts}')
    if "metadata" in more:
        (folder / "metadata.yaml").write_text(more["metadata"])
    return folder


def test_what_a_connector_says_of_itself(tmp_path: Path) -> None:
    found = Connector.of_folder(project(tmp_path / "source-x"))
    assert (found.distribution, found.program, found.tag) == ("source-x", "source-x", "source-x:1.0")
    metadata = 'data: {dockerRepository: me/source-x, dockerImageTag: "1.0", name: "The $X \\"x\\"", license: MIT}'
    found = Connector.of_folder(project(tmp_path / "source-y", metadata=metadata))
    assert found.labels["io.airbyte.name"] == "me/source-x"
    assert 'title="The \\$X \\"x\\""' in dockerfile(found)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"metadata": 'data: {dockerImageTag: "2.0"}'}, "must be one"),
        ({"metadata": "[1"}, "table `data`"),
        ({"scripts": ""}, "Which program"),
        ({"scripts": "[project.scripts]\na = 'x:a'\nb = 'x:b'\n"}, "a, b"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path, facts: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Connector.of_folder(project(tmp_path / "source-z", **facts))
    with pytest.raises(ConfigError, match="is not there"):
        Connector.of_folder(tmp_path)


def test_a_build_that_fails_is_told(base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "source-github"
    shutil.copytree(CONNECTORS / "source-github", folder, ignore=shutil.ignore_patterns("wheels"))
    (folder / "Dockerfile").write_text(f"FROM {base}\nRUN echo no good; exit 3\n")
    assert main(["image", "build", str(folder), "--base-image", base, "--tag", "headwater-tests/none"]) == 2
    assert "no good" in capsys.readouterr().err
    assert main(["image", "build", "./none/there"]) == 2
    assert "is not there" in capsys.readouterr().err
