"""Environments of published connectors, below .venv-foreign: each made once, and kept for the next run."""

from __future__ import annotations

from pathlib import Path

from headwater.bridge.runners.environments import Environment, Prepared
from headwater.errors import ConfigError
from tests.needs import missing

CACHE = Path(__file__).parents[3] / ".venv-foreign"

FAKER = "airbyte-source-faker==7.2.1"
GITHUB = "airbyte-source-github==2.7.1"
CDK = "airbyte-cdk==7.39.1"
OLD_TAP = "tap-gitlab==0.5.1"  # of 2018, on singer-python 5.0
OLD_TAP_NEEDS = ("pytz", "setuptools<81")
REST_TAP = "tap-rest-api-msdk==1.4.2"  # on singer-sdk 0.40
REST_TAP_NEEDS = ("setuptools<81",)
FILE_TAP = "tap-jsonl==0.3.1"  # on singer-sdk 0.53; needs no network


def prepared(requirement: str, *more: str) -> Prepared:
    """The environment, as a connector's own settings would make it; HEADWATER_CACHE must be :data:`CACHE`.

    Skips the test where it can't be made; fails it in CI.
    """
    try:
        return Environment((requirement, *more)).prepare()
    except ConfigError as error:
        missing(
            f"needs {requirement}, which is installed by itself where Python packages can be downloaded, once: {error}"
        )
