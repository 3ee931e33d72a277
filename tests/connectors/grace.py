"""How long the tests' connectors have to end in good order: on a busy machine an operator's few seconds may be too few.

``TESTS_GRACE`` says how many seconds; where it is empty, the product does.
"""

from __future__ import annotations

import os

from headwater.process import stop

stop.GRACE = float(os.environ.get("TESTS_GRACE") or stop.GRACE)
