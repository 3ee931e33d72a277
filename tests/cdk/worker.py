"""Runs in airbyte-cdk's environment and does what the tests ask, one JSON line after another.

One process for all of a module's tests: to import the airbyte-cdk takes two seconds. A request names a function of
:mod:`tests.cdk.inside` and its arguments; the answer is what it returns, or the error that it raised.
"""

from __future__ import annotations

import json
import os
import sys
import traceback


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # the airbyte-cdk logs to standard output
    from tests.cdk import inside

    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": getattr(inside, request["function"])(**request["arguments"])}
        except BaseException as error:
            answer = {"raised": f"{type(error).__name__}: {error}", "stack": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
