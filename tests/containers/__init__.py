"""Tests against a Docker engine: this machine's, or one that ``tests/containers/engine`` starts."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import missing

CACHE = Path("~/.cache/headwater-tests").expanduser()
"""What is kept from one run to the next."""

OWN = hashlib.sha256(str(Path(__file__).parents[2]).encode()).hexdigest()[:8]
"""Of this checkout: a part of its images' names. What did not change since the last run is not built again."""

_SCRIPT = Path(__file__).with_name("engine")


def base_image() -> str:
    """An image with Python, in an engine that runs. Skips the test where there is none; fails it in CI."""
    image, reason = _engine()
    return image or missing(reason)


@functools.cache
def _engine() -> tuple[str, str]:
    try:
        import docker  # noqa: F401
    except ImportError:
        return "", "needs docker-py: pip install 'headwater[docker]'"
    done = subprocess.run([str(_SCRIPT)], capture_output=True, text=True, check=False)
    if done.returncode == 75:
        return "", f"needs a Docker engine: {done.stderr.strip()}"
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("BASE_IMAGE=")[2], ""


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Tests run in several processes: of those that would make the same thing, one does."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
