"""For all tests: no clock on hypothesis, as the machine is shared; the servers' fixtures; the mutation score."""

import signal
from typing import Any

from hypothesis import HealthCheck, settings

from tests.services.postgres import database, postgres

__all__ = ["database", "postgres"]

# What a test says itself takes the place of these: `suppress_health_check` there would let the clock in again.
settings.register_profile(
    "headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("headwater")

# A shell starts what runs in the background with interrupts ignored, and every process of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many of the broken connectors the acceptance suite caught with the right check."""
    properties = [
        dict(report.user_properties)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call"
    ]
    broken = [found for found in properties if "mutant" in found]
    if broken:
        caught = sum("caught" in found for found in broken)
        share = 100 * caught / len(broken)
        terminalreporter.write_line(
            f"mutation score: {caught} of {len(broken)} broken connectors caught by the right check ({share:.0f} %)"
        )
        for found in broken:
            if "caught" not in found:
                terminalreporter.write_line(f"  not caught: {found['mutant']}")
