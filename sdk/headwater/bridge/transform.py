"""A flow's own change to its records, between source and destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headwater.errors import FlowError, ForeignError
from headwater.protocol.messages import Records, StreamDescriptor
from headwater.protocol.values import encode_rows

# Called with a stream's descriptor and a record; None drops the record.
Transform = Callable[[StreamDescriptor, dict[str, Any]], "Mapping[str, Any] | None"]


def transformed(records: Records, transform: Transform) -> Records:
    """The records as the transform made them.

    :raises FlowError: when it failed, naming the stream.
    :raises ForeignError: when a record is not JSON.
    """
    rows: list[Mapping[str, Any]] = []
    kept: list[int] = []
    name = str(records.stream)
    try:
        found = records.rows()
    except (msgspec.MsgspecError, ValueError) as error:
        raise ForeignError(
            f"Stream {name!r}: a record is not JSON that the transform can be given ({error}). "
            "The connector's author must look.",
            stream=name,
        ) from None
    for index, record in enumerate(found):
        try:
            row = transform(records.stream, record)
        except Exception as error:
            raise FlowError(
                f"Stream {name!r}: the transform failed on a record ({type(error).__name__}: {error}).",
                stream=name,
            ) from error
        if row is not None:
            rows.append(row)
            kept.append(index)
    data, changes = encode_rows(rows)
    if records.changes:
        for at, index in enumerate(kept):
            if before := records.changes.get(index):
                changes[at] = [*before, *changes.get(at, ())]
    return Records(records.stream, data, records.emitted_at, changes)
