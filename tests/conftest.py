"""For all tests: examples that hypothesis finds are not timed, as the machine is shared."""

from hypothesis import HealthCheck, settings

settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")
