"""A proxy that any connector can be put behind: it records the answers of APIs, gives them again, and spoils them.

``authority`` makes certificates, ``tape`` keeps answers, ``server`` speaks HTTP, ``faults`` says what goes wrong.
"""

from headwater.acceptance.proxy.faults import Fault, Rule
from headwater.acceptance.proxy.server import Proxy
from headwater.acceptance.proxy.tape import Answer, Request, Tape

__all__ = ["Answer", "Fault", "Proxy", "Request", "Rule", "Tape"]
