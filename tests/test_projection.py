"""Field selection keeps the chosen fields as they are written, whatever they are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.projection import Projection

_NAMES = st.text(alphabet=st.sampled_from('ab"\\\t\n\u2028é/'), min_size=1, max_size=3)


@given(record=st.dictionaries(_NAMES, st.one_of(st.none(), st.integers(), st.lists(st.text(max_size=3), max_size=2))),
       chosen=st.lists(_NAMES, unique=True, max_size=4))  # fmt: skip
def test_only_the_chosen_fields_are_kept(record: dict[str, Any], chosen: list[str]) -> None:
    (kept,) = Projection(chosen)([json.dumps(record).encode()])
    assert json.loads(kept) == {name: value for name, value in record.items() if name in chosen}


@pytest.mark.parametrize("name", ["price", 'the "price"', "a\\b"])
def test_values_stay_as_they_are_written(name: str) -> None:
    written = json.dumps(name).encode()
    assert Projection([name])([b'{"x":1,' + written + b":1.50}"]) == [b"{" + written + b":1.50}"]
