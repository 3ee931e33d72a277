"""Whose turn an error is, and that it shows no secret."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from vdk.internal.core.errors import PlatformServiceError, ResolvableBy, UserCodeError

from headwater.bridge.vdk.errors import (
    DefinitionError,
    classified,
    classified_together,
    resolvable_by,
    without_secrets,
)
from headwater.errors import (
    ConfigError,
    DestinationError,
    FlowError,
    ForeignError,
    SourceError,
    StateError,
    TransientError,
)

USER, PLATFORM = ResolvableBy.USER_ERROR, ResolvableBy.PLATFORM_ERROR


@pytest.mark.parametrize("kind", [ConfigError, FlowError, DefinitionError])
def test_a_configuration_is_the_users(kind: type[Exception]) -> None:
    assert resolvable_by(classified(kind("x"))) is USER


@pytest.mark.parametrize("kind", [TransientError, DestinationError, SourceError, StateError, ForeignError])
def test_the_rest_is_the_platforms(kind: type[Exception]) -> None:
    assert resolvable_by(classified(kind("x"))) is PLATFORM


def test_what_is_known_is_left() -> None:
    assert resolvable_by(classified(UserCodeError("x"))) is USER
    assert resolvable_by(classified(PlatformServiceError("x"))) is PLATFORM
    assert resolvable_by(classified(ValueError("x"))) is None


def test_one_of_several_makes_the_whole_the_users() -> None:
    def together(*parts: Exception) -> object:
        return resolvable_by(classified_together(Exception(), {str(n): p for n, p in enumerate(parts)}))

    assert together(TransientError("a"), ConfigError("b")) is USER
    assert together(TransientError("a"), ValueError("b")) is PLATFORM
    assert together(ValueError("b")) is None


SECRET = "hunter2hunter2"


def in_text() -> Exception:
    return ValueError(f"GET ?key={SECRET}")


def in_cause() -> Exception:
    error = TransientError("no answer", stream="s")
    error.__cause__ = in_text()
    return error


def in_internal() -> Exception:
    return ConfigError("bad", internal=f"sent {SECRET}")


def hanging_on_it() -> Exception:
    error = ValueError("401")
    error.request = SimpleNamespace(headers={"Authorization": SECRET})  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("make", [in_text, in_cause, in_internal, hanging_on_it])
def test_a_secret_is_never_shown(make: object) -> None:
    error = make()  # type: ignore[operator]
    clean = without_secrets(error, [SECRET, "abc"])
    assert isinstance(clean, SourceError)
    assert SECRET not in f"{clean}{clean!r}{vars(clean)}{clean.__cause__}{clean.__context__}"
    assert clean.stream == getattr(error, "stream", None)
    assert resolvable_by(classified(clean)) == (resolvable_by(error) or PLATFORM)


def test_an_error_without_secrets_stays_itself() -> None:
    error = ValueError("plain")
    assert without_secrets(error, [SECRET, ""]) is error
