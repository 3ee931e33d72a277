"""The files that the suite is given: are they there, and what they must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headwater.acceptance.settings import Settings
from headwater.errors import ConfigError


def file_of(name: str, option: str) -> Path:
    """Where a file is that an option names.

    :raises ConfigError: it is not there.
    """
    if not Path(name).is_file():
        raise ConfigError(f"{option}: there is no file {name}.")
    return Path(name).absolute()


def yaml_of(path: Path) -> Any:
    """A YAML file's content.

    :raises ConfigError: it is none.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:  # also what is no UTF-8, or no date
        raise ConfigError(f"{path} is no YAML: {error}.") from None


def metadata_of(path: Path) -> dict[str, Any]:
    """What a metadata.yaml holds.

    :raises ConfigError: it is no object.
    """
    found = yaml_of(path)
    if not isinstance(found, dict):
        raise ConfigError(f"{path} must hold an object, with `metadataSpecVersion` and `data`.")
    return found


def whole(settings: Settings) -> Settings:
    """The same, once what the connector is to be given was found to be JSON.

    :raises ConfigError: it is none, or no object.
    """
    for option, path in (("--config", settings.config), ("--catalog", settings.configured_catalog)):
        if path is None:
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{option}: {path} can't be read: {error.strerror}.") from None
        except json.JSONDecodeError as error:
            raise ConfigError(f"{option}: {path} is no JSON: {error}.") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{option}: {path} is no UTF-8 at byte {error.start}.") from None
        if not isinstance(found, dict):
            raise ConfigError(f"{option}: {path} must hold a JSON object.")
    return settings
