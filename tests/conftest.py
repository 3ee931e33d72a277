"""For all tests: examples that hypothesis finds are not timed, as the machine is shared; the servers' fixtures."""

from hypothesis import HealthCheck, settings

from tests.services.postgres import database, postgres

__all__ = ["database", "postgres"]

settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")
