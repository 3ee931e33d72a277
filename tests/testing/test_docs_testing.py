"""The tests that docs/test-a-connector.md shows pass."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "test-a-connector.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The page's code, run from its beginning to its end."""
    module = sys.modules["docs_testing"] = ModuleType("docs_testing")
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/test-a-connector.md", "exec"), vars(module))
    return module


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)\(\)", PAGE, re.MULTILINE))
def test_it_passes(page: ModuleType, name: str) -> None:
    getattr(page, name)()


def test_the_recording_of_the_page(page: ModuleType, tmp_path: Path) -> None:
    (recording,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "orders.json").write_text(recording)
    page.test_as_it_was_recorded(tmp_path)
