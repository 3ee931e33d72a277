"""What a script does that knows this one API and nothing else: requests, msgspec and a loop.

No retry, no state, no schema, no protocol but RECORD lines: the connectors' lower bound.
"""

import json
import os
import sys
import time

import msgspec
import requests


def read(url: str, per_page: int) -> None:
    """Every page's records, spliced into RECORD lines as they stand."""
    decoder = msgspec.json.Decoder(list[msgspec.Raw])
    head = b'{"type":"RECORD","record":{"stream":"items","data":'
    session = requests.Session()
    following = f"{url}/items?per_page={per_page}"
    while following:
        response = session.get(following)
        records = decoder.decode(response.content)
        tail = b',"emitted_at":%d}}\n' % (time.time_ns() // 1_000_000)
        page = memoryview(b"".join((head, (tail + head).join(records), tail)))
        while page:
            page = page[os.write(1, page) :]
        following = response.links.get("next", {}).get("url")


if __name__ == "__main__":
    with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as file:
        config = json.load(file)
    read(config["url"], config.get("per_page", 1000))
