"""The data of the gallery's connectors over HTTP, with patience."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from http.client import HTTPException
from typing import Any

from messages import LOST, Failed


def pages(connector: Any, name: str, since: str) -> Any:
    """The pages of a stream."""
    number, seen = 1, set()
    while number:
        query = urllib.parse.urlencode({"since": since, "page": number})
        answer = connector.fetch(f"{connector.config['api_url']}/{name}?{query}")
        if answer["items"]:
            yield answer["items"]
        seen.add(number)
        number = connector.following(answer, seen)


def following(answer: Any, seen: set[int]) -> Any:
    """The number of the next page."""
    if answer["next"] in seen:
        raise Failed(f"The API gave page {answer['next']} twice.", "system_error")
    return answer["next"]


def number(text: str) -> Any:
    """A number as it is written, or nothing."""
    return float(text) if Decimal(repr(float(text))) == Decimal(text) else LOST


def fetch(connector: Any, url: str, tries: int) -> Any:
    """An answer, after as many tries as it takes."""
    problem: Any = None
    for _ in range(tries):
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {connector.config['token']}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read(), parse_float=number)
        except urllib.error.HTTPError as error:
            problem = error
            if error.code in (401, 403):
                raise Failed("config: the `token` is refused.") from None
            if error.code not in (429, 500, 502, 503, 504):
                raise Failed(f"The API said {error.code}.", "system_error") from None
        except (OSError, HTTPException, ValueError) as error:
            problem = error
        connector.log(f"{type(problem).__name__}: the next try is in {connector.pause} seconds.", "WARN")
        time.sleep(connector.pause)
    raise Failed(f"The API does not answer: {type(problem).__name__}.", "transient_error")
