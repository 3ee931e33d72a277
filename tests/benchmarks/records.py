"""The records that the benchmark's API gives: distinct, realistic, and cheap to make.

A thousand records share a minute, and a minute's page is a template in which only the minute and the page's
number are replaced. So any number of records costs the server next to no time and no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import cache

A_MINUTE = 1000
"""Records of one minute, and the greatest page."""
FIELDS = 12
"""How many a record has."""

_EPOCH = datetime(2021, 3, 1, tzinfo=timezone.utc)
_MINUTE, _NUMBER = b"@YYYY-MM-DDTHH:M", b"@NUMBER"
_BODIES = (
    "The export stops after the first page when the account has more than one workspace.",
    'Since the last release the list shows \\"unknown\\" in place of the name.\\nIt was right before.',
    "Beim Import gehen Umlaute verloren: Größe wird zu GrÃ¶Ãe, auch in älteren Läufen.",
    "Steps to reproduce: open the settings, choose another time zone, save, and look at the report.",
    "It would help to be able to filter by more than one label at a time, as the old view did.",
)
_TITLES = (
    "Export is incomplete",
    "Wrong name in the list",
    "Umlaute gehen verloren",
    "Reports ignore the time zone",
)
_LABELS = ('["bug"]', '["bug","export"]', "[]", '["enhancement","view"]')


def _template(row: int, quote: str = "") -> bytes:
    """The row-th record of every minute.

    :param quote: what three of its numbers are written between.
    """
    second = row * 60 // A_MINUTE
    score = "null" if row % 9 == 0 else f"{quote}{(row % 97) / 8}{quote}"
    title = f"{_TITLES[row % len(_TITLES)]} ({row})"
    text = " ".join(_BODIES[(row + step) % len(_BODIES)] for step in range(2))
    return (
        f'{{"id":1@NUMBER{row:03d},"node_id":"MDU6SXNzdWU{row:04d}@NUMBER","number":1{row:03d},'
        f'"title":"{title}","state":"{("open", "closed")[row % 3 == 0]}",'
        f'"author":{{"login":"user-{row % 89}","id":{quote}{row % 89 + 5000}{quote},"type":"User"}},'
        f'"labels":{_LABELS[row % len(_LABELS)]},"comments":{quote}{row % 23}{quote},"score":{score},'
        f'"created_at":"2021-02-0{row % 9 + 1}T08:{row % 60:02d}:00Z",'
        f'"updated_at":"@YYYY-MM-DDTHH:M:{second:02d}Z","body":"{text}"}}'
    ).encode()


_TEMPLATES = [_template(row) for row in range(A_MINUTE)]
_QUOTED = [_template(row, '"') for row in range(A_MINUTE)]
_WHOLE = b",".join(_TEMPLATES)
_WHOLE_QUOTED = b",".join(_QUOTED)


def page(first: int, count: int, *, quoted: bool = False) -> bytes:
    """The body with the records ``first`` up to ``first + count``, numbered from 0.

    :param quoted: three numbers of each are texts, as some APIs have it.
    """
    templates, whole = (_QUOTED, _WHOLE_QUOTED) if quoted else (_TEMPLATES, _WHOLE)
    parts = []
    last = first + count
    while first < last:
        minute, row = divmod(first, A_MINUTE)
        end = min(A_MINUTE, row + last - first)
        part = whole if (row, end) == (0, A_MINUTE) else b",".join(templates[row:end])
        parts.append(part.replace(_MINUTE, _stamp(minute)).replace(_NUMBER, b"%06d" % minute))
        first += end - row
    return b"[" + b",".join(parts) + b"]"


def first_since(since: str) -> int:
    """The number of the first record whose ``updated_at`` is not before a timestamp."""
    moment = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    minute, second = divmod(max(0, int((moment - _EPOCH).total_seconds())), 60)
    return minute * A_MINUTE + -(-second * A_MINUTE // 60)


def updated_at(number: int) -> str:
    """The cursor value of a record."""
    minute, row = divmod(number, A_MINUTE)
    return f"{_stamp(minute).decode()}:{row * 60 // A_MINUTE:02d}Z"


def _stamp(minute: int) -> bytes:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M").encode()


def more_properties(columns: int) -> dict[str, dict[str, object]]:
    """The schemas of the fields that :func:`widened` adds."""
    kinds = ("integer", "string", "number")
    return {f"field_{place}": {"type": ["null", kinds[place % 3]]} for place in range(FIELDS, columns)}


def widened(rows: Sequence[bytes], columns: int, first: int = 0) -> Sequence[bytes]:
    """The records, numbered from ``first``, with more fields: integers, texts and numbers, until they have so many."""
    if columns <= FIELDS:
        return rows
    more = _more(columns)
    return [row[:-1] + more[number % len(more)] for number, row in enumerate(map(bytes, rows), start=first)]


@cache
def _more(columns: int) -> list[bytes]:
    """What records end with instead of ``}``: as many as there are templates of a column."""
    values = [(f"{n * 7919}", f'"value {n} of a column"', "null" if n % 9 == 0 else f"{n / 8}") for n in range(97)]
    return [
        "".join(
            f',"field_{place}":{values[(row + place) % len(values)][place % 3]}' for place in range(FIELDS, columns)
        ).encode() + b"}"
        for row in range(len(values))
    ]  # fmt: skip
