"""Secrets are replaced in every text that leaves the process, records and states apart.

Texts are masked before they become JSON, so that a secret such as ``type`` never breaks a message.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from headwater.secrets import MASK

# A secret of one to three characters is masked only as a word of its own: masking every "a" or "12" would
# destroy the log, and tell the secret by its gaps.
_SHORT = 4
# The part of a base64 text that a secret alone decides: with fewer characters it would match by chance.
_SHORTEST_BASE64 = 8
# A line of a secret of many lines (a private key), as a log may be cut into lines.
_SHORTEST_LINE = 8
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


class Mask:
    """Replaces secrets in texts, longest first, in all the forms in which they travel: as they are, quoted
    for a URL, escaped for JSON, as Python's ``repr`` and in base64, also as a part of a longer base64 text
    (``user:password`` of HTTP's Basic scheme).

    :param secrets: the values. Of a list separated by commas, each part is a secret too.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._plain: set[str] = set()
        self._encoded: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.longest = 0
        """The length of the longest text that is replaced."""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these as well from now on."""
        plain, encoded = set(self._plain), set(self._encoded)
        for secret in secrets:
            for part in _parts(secret):
                plain.update(_forms(part))
                encoded.update(_base64_cores(part))
        if plain == self._plain and encoded == self._encoded:
            return
        encoded -= plain
        words = sorted(plain | encoded, key=lambda form: (-len(form), form))
        # assigned last and at once, as other threads write logs meanwhile
        self._plain, self._encoded = plain, encoded
        self.longest = len(words[0]) if words else 0
        self._pattern = re.compile("|".join(map(_expression, words))) if words else None

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        pattern = self._pattern
        if pattern is None:
            return text
        found = [self._span(match, text) for match in pattern.finditer(text)]
        if not found:
            return text
        pieces: list[str] = []
        end = 0
        for start, stop in found:
            if start > end or not pieces:  # what adjoins or overlaps is one gap
                pieces += [text[end:start], MASK]
            end = max(end, stop)
        pieces.append(text[end:])
        return "".join(pieces)

    def _span(self, match: re.Match[str], text: str) -> tuple[int, int]:
        """Where the match is; of a base64 text, all of it."""
        start, stop = match.span()
        if match.group() in self._encoded:
            while start > 0 and text[start - 1] in _BASE64:
                start -= 1
            while stop < len(text) and text[stop] in _BASE64:
                stop += 1
        return start, stop


def _expression(form: str) -> str:
    expression = re.escape(form)
    return rf"(?<![^\W_]){expression}(?![^\W_])" if len(form) < _SHORT else expression


def _parts(secret: str) -> Iterator[str]:
    """The secret, the entries of a comma-separated list, the lines of a key."""
    yield secret
    if "," in secret:
        yield from map(str.strip, secret.split(","))
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line.strip()) >= _SHORTEST_LINE)


def _forms(secret: str) -> set[str]:
    forms = set()
    for text in {secret, secret.strip()}:
        if not text:
            continue
        quoted = {quote(text, errors="replace"), quote(text, safe="", errors="replace")}
        quoted.add(quote_plus(text, errors="replace"))
        quoted |= {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), form) for form in quoted}
        escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        escaped |= {form.replace("/", "\\/") for form in escaped}
        bare = text.encode("utf-8", "replace")
        forms |= {text, *quoted, *escaped, repr(text)[1:-1], repr(bare)[2:-1], ascii(text)[1:-1]}
        # JSON in JSON, or shown by repr: escaped twice
        forms |= {repr(form)[1:-1] for form in escaped} | {json.dumps(form)[1:-1] for form in escaped}
    return forms


def _base64_cores(secret: str) -> Iterator[str]:
    """What of a base64 text is the same wherever in it the secret stands: for each of the three ways in
    which it may lie across the groups of three bytes, without the characters that its neighbours share."""
    for text in {secret, secret.strip()}:
        raw = text.encode("utf-8", "replace")
        for shift in range(3):
            first = -(-shift * 8 // 6)
            last = (shift + len(raw)) * 8 // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                core = encode(b"\0" * shift + raw).decode()[first:last]
                if len(core) >= _SHORTEST_BASE64:
                    yield core
