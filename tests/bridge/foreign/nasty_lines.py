"""Ways to misbehave in lines: noise, odd or endless ones, such as are cut off, or can't be read."""

from __future__ import annotations

import json
import os
import sys

from nasty_messages import OUT, begin, finish, put, record, say, state, status


def noise() -> None:
    put(b"\xef\xbb\xbf")
    begin()
    put(b"Downloading: 100%|####| 3/3\r\n\r\n")
    put(b'[1, 2]\nnull\n17\n"text"\n{}\n{"type": null}\n{"type":"DEBUG","message":"x"}\n')
    put(b"\xff\xfe\x00 not utf-8\n")
    put("a line\u2028of many\x85lines\x0c\n".encode())
    say({"type": "NEWS", "news": {}})
    say({"type": "TRACE", "trace": {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "x"}}})
    say({"type": "LOG", "log": {"level": "LOUD", "message": "hello"}})
    finish()


def flood_of_noise() -> None:
    begin()
    for number in range(200_000):
        OUT.write(b"progress %d\n" % number)
    finish()


def crlf() -> None:
    begin()
    say(record(4), b"\r\n")
    say(state(4), b"\r\n")
    say(status("COMPLETE"), b"\r\n")


def separators() -> None:
    begin()
    text = json.dumps(record(4, text="a\u2028b\u2029c\x85d"), ensure_ascii=False)
    put(text.encode() + b"\n")
    say(state(4))
    say(status("COMPLETE"))


def values() -> None:
    begin()
    put(
        b'{"type":"RECORD","record":{"stream":"a","data":{"id":4,"x":NaN,"y":"\\ud83d","z":"\xff"},"emitted_at":1.0}}\n'
    )
    say(state(4))
    say(status("COMPLETE"))


def huge() -> None:
    begin()
    say(record(4, text="x" * (64 * 2**20)))
    say(state(4))
    say(status("COMPLETE"))


def endless_line() -> None:
    begin()
    while True:
        put(b"x" * 2**20)


def cut() -> None:
    begin()
    put(b'{"type":"RECORD","record":{"stream":"a","data":{"id":4')


def no_last_newline() -> None:
    begin()
    say(state(3))
    say(status("COMPLETE"), b"")


def flood_on_stderr() -> None:
    begin()
    for number in range(300_000):
        sys.stderr.write(f"warning {number}\n")
    finish()


def broken_record() -> None:
    begin()
    put(b'{"type":"RECORD","record":{"stream":"a","data":{"id":4}}{"type":"RECORD"}\n')
    finish()


def broken_state() -> None:
    begin()
    put(b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descr\n')
    put(b'{"type":"STATE","state":null}\n')
    finish()


def odd_state() -> None:
    begin()
    put(b'{"type":"STATE","state":' + os.environ["STATE"].encode() + b"}\n")
    finish()
