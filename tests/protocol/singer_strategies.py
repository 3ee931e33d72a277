"""What Singer's tests draw: names, values, catalogs."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.singer_catalog import tap_stream_id

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
plain = names.filter(lambda name: "." not in name)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | names
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(names, values, max_size=4)
types = st.sampled_from(["string", "integer", ["null", "string"], ["null", "object"]])
fields = st.recursive(
    st.builds(lambda kind: {"type": kind}, types),
    lambda inner: st.builds(
        lambda p: {"type": "object", "properties": p}, st.dictionaries(plain, inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def catalog_streams(draw: st.DrawFn) -> CatalogStream:
    """A stream that Singer can say all of."""
    properties = draw(st.dictionaries(plain, fields, min_size=1, max_size=4))
    keys = draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=2))
    cursor = draw(st.none() | st.sampled_from(sorted(properties)))
    modes: Any = (
        ("full_refresh",)
        if cursor is None
        else draw(st.sampled_from([("full_refresh", "incremental"), ("incremental",)]))
    )
    return CatalogStream(
        name=draw(plain),
        namespace=draw(st.none() | plain),
        json_schema={"type": "object", "properties": properties},
        supported_sync_modes=modes,
        source_defined_cursor=cursor is not None and draw(st.booleans()),
        default_cursor_field=(cursor,) if cursor is not None else (),
        primary_key=tuple((key,) for key in keys),
    )


catalogs = st.lists(catalog_streams(), max_size=3, unique_by=lambda s: tap_stream_id(s.descriptor)).map(
    lambda streams: Catalog(tuple(streams))
)


def written(value: Any) -> Any:
    """As it is read back from a file."""
    return json.loads(json.dumps(value))
