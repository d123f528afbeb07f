"""Accounts of octoDNS: the providers in a file of its form, which zones name. Credentials stay the server's."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml

from fedsvc.errors import ConfigurationError
from fedsvc_dns.providers.octodns.accounts import Account

_SETTING: Final = "--octodns-config"
_CLASS: Final = re.compile(r"\w+(\.\w+)+", re.ASCII)
_IGNORED: Final = frozenset(("manager", "zones", "processors"))
"""Sections of octoDNS' own that say nothing of accounts."""


def load_accounts(path: Path) -> dict[str, Account]:
    """The accounts in a file, by name; nothing of them is tried.

    Raises:
        ConfigurationError: octoDNS is not installed, or the file is not one of its form.
    """
    if find_spec("octodns") is None:
        raise ConfigurationError(
            f"{_SETTING} needs octoDNS with its providers: pip install 'fedsvc[octodns-route53]', or another"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{_SETTING} {path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{_SETTING} {path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("providers"), dict):
        raise ConfigurationError(f"{_SETTING} {path}: must hold 'providers', by name, each with its 'class'")
    unknown = sorted(map(str, content.keys() - _IGNORED - {"providers"}))
    if unknown:
        raise ConfigurationError(f"{_SETTING} {path}: '{unknown[0]}' means nothing here: 'providers' are read alone")
    return {str(name): _account(path, str(name), described) for name, described in content["providers"].items()}


def _account(path: Path, name: str, described: Any) -> Account:
    where = f"{_SETTING} {path}: providers.{name}"
    if not isinstance(described, dict) or not all(isinstance(key, str) for key in described):
        raise ConfigurationError(f"{where} must be settings by name, with its 'class' among them")
    class_path = described.get("class")
    if not isinstance(class_path, str) or not _CLASS.fullmatch(class_path):
        raise ConfigurationError(f"{where}.class must be a class such as octodns_route53.Route53Provider")
    settings = {key: value for key, value in described.items() if key != "class"}
    try:
        json.dumps(settings)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    return Account(name=name, class_path=class_path, settings=settings)
