"""Asks one provider of octoDNS for one thing, in a process of its own: `python -m` this module.

A request comes as a line of JSON by standard input, the answer goes by standard output. octoDNS blocks, keeps caches
that are never renewed and cannot be interrupted; a process with a new provider object for each request can be killed,
and leaves nothing behind. When standard input ends, whoever asked is gone, and so is this.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from octodns.processor.base import BaseProcessor
from octodns.provider.base import BaseProvider
from octodns.record import Record
from octodns.record.exception import RecordException, ValidationError
from octodns.record.rr import Rrset
from octodns.secret.environ import EnvironSecrets
from octodns.secret.exception import SecretsException
from octodns.zone import Zone

_ENVIRONMENT = "env/"
_REFUSED_CREDENTIALS = frozenset((401, 403))
_TOO_MANY = 429
_CREDENTIALS = ("auth", "credential", "forbidden", "badkey", "badsig")
_UNREACHABLE = ("ratelimit", "throttl", "timeout", "connection", "unavailable")


class _ConfigurationError(Exception):
    """The provider cannot be made as it is described."""


class _MissingZoneError(Exception):
    """The provider has no such zone."""


class _MovedError(Exception):
    """The mark of the zone is not what it was."""


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked.

    Args:
        request: `provider` (class, id, settings), `zone`, and to write something `write`: `mark` (name, expected),
            `puts` and `deletes` by the name that they are for.

    Returns:
        `sets` that the zone holds, what of a change is `unfit` by name, and what the provider `said` where it refused
        it; or an `error` of a kind.
    """
    try:
        if "write" in request:
            return _write(request)
        return {"sets": _read(request)}
    except _MovedError:
        return _failed("moved", "")
    except _MissingZoneError as error:
        return _failed("missing", str(error))
    except _ConfigurationError as error:
        return _failed("configuration", str(error))
    except Exception as error:  # noqa: BLE001 - providers raise what they like, and all of it is told
        return _failed(_kind_of(error, "unreadable"), _told(error))


def _read(request: Mapping[str, Any]) -> list[list[Any]]:
    zone = Zone(request["zone"], [])
    if _provider(request).populate(zone, target=True, lenient=True) is False:
        raise _MissingZoneError(f"there is no zone {request['zone']} at the provider: make it there first")
    return [_told_set(record) for record in zone.records]


def _told_set(record: Any) -> list[Any]:
    """Name, type, TTL and data; None for what is no plain record set, but an alias or pools of the provider's own."""
    values = None
    if not getattr(record, "dynamic", None):
        with contextlib.suppress(Exception):
            values = list(record.to_rrset().rdatas)
    return [record.fqdn, record._type, record.ttl, values]  # noqa: SLF001 - it has no other name


def _write(request: Mapping[str, Any]) -> dict[str, Any]:
    provider = _provider(request)
    wanted = request["write"]
    desired = Zone(request["zone"], [])
    unfit: dict[str, tuple[str, str]] = {}
    made: dict[str, list[Any]] = {}
    for name, sets in wanted["puts"].items():
        try:
            made[name] = [_record(provider, desired, one) for one in sets]
        except (ValidationError, RecordException) as error:
            unfit[name] = ("invalid", " ".join(str(error).split()))
        except LookupError as error:
            unfit[name] = ("unsupported", str(error.args[0]))
    for record in (one for records in made.values() for one in records):
        desired.add_record(record)
    gone = [tuple(key) for name, keys in wanted["deletes"].items() if name not in unfit for key in keys]
    touched = {_key(record) for record in desired.records} | set(gone)
    try:
        plan = provider.plan(desired, processors=[_Fenced(touched, wanted["mark"])])
        if plan is not None:
            # a provider may add changes of its own for what others have in the zone
            plan.changes = [one for one in plan.changes if _key(one.record) in touched]
            provider.apply(plan)
    except _MovedError:
        raise
    except Exception as error:
        kind = _kind_of(error, "refused")
        if kind != "refused":
            raise
        return {"sets": _read(request), "said": _told(error), "unfit": unfit}
    return {"sets": _read(request), "said": "", "unfit": unfit}


def _record(provider: Any, zone: Zone, told: Iterable[Any]) -> Any:
    name, type_, ttl, values = told
    if type_ not in Record.registered_types() or type_ not in provider.SUPPORTS:
        raise LookupError(f"{name} {type_}: the provider has no records of type {type_}")
    return Record.from_rrset(zone, Rrset(name, type_, ttl, values))


class _Fenced(BaseProcessor):  # type: ignore[misc]  # octoDNS has no types
    """Looks at the mark at the very reading that the plan is made of, and leaves all else as it is."""

    def __init__(self, touched: set[tuple[str, str]], mark: Mapping[str, Any]) -> None:
        super().__init__("fedsvc")
        self._touched = touched
        self._mark = mark

    def process_source_and_target_zones(
        self,
        desired: Any,
        existing: Any,
        target: Any,
        lenient: bool = False,  # noqa: FBT001, FBT002 - octoDNS' own form
    ) -> tuple[Any, Any]:
        """Compare, and copy what is not touched."""
        del target, lenient
        found = [record for record in existing.records if _key(record) == (self._mark["name"], "TXT")]
        values = [value for record in found for value in record.to_rrset().rdatas]
        if values != ([] if self._mark["expected"] is None else [self._mark["expected"]]):
            raise _MovedError
        for record in existing.records:
            if _key(record) not in self._touched:
                desired.add_record(record, lenient=True)
        return desired, existing


def _key(record: Any) -> tuple[str, str]:
    return record.fqdn.lower(), record._type  # noqa: SLF001 - as above


def _provider(request: Mapping[str, Any]) -> Any:
    """A new provider object: what one has read it keeps for ever.

    Raises:
        _ConfigurationError: it cannot be made as it is described.
    """
    described = request["provider"]
    module, _, name = described["class"].rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)(described["id"], **_resolved(described["settings"]))
    except (ImportError, AttributeError, ValueError) as error:
        raise _ConfigurationError(f"class {described['class']} is not there: {_told(error)}") from error
    except (TypeError, SecretsException) as error:
        raise _ConfigurationError(_told(error)) from error
    if not isinstance(made, BaseProvider):
        raise _ConfigurationError(f"class {described['class']} writes nothing: it is no provider of octoDNS")
    return made


def _resolved(setting: Any) -> Any:
    """A setting with the values of the environment variables that it names, as octoDNS' own files do."""
    if isinstance(setting, dict):
        return {key: _resolved(value) for key, value in setting.items()}
    if isinstance(setting, list):
        return [_resolved(value) for value in setting]
    if isinstance(setting, str) and setting.startswith(_ENVIRONMENT):
        return EnvironSecrets("env").fetch(setting.removeprefix(_ENVIRONMENT), _Source())
    return setting


class _Source:
    context = "in its settings"


def _kind_of(error: Exception, otherwise: str) -> str:
    """What went wrong, of what is told in as many ways as there are providers."""
    status = _status(error)
    if status in _REFUSED_CREDENTIALS:
        return "credentials"
    if status is not None:
        return "unreachable" if status == _TOO_MANY or status >= 500 else otherwise
    words = f"{type(error).__name__} {error}".lower()
    if any(word in words for word in _CREDENTIALS):
        return "credentials"
    name = type(error).__name__.lower()
    if isinstance(error, OSError) or any(word in name for word in _UNREACHABLE):
        return "unreachable"
    return otherwise


def _status(error: Exception) -> int | None:
    """The HTTP status that an error tells of."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for found in (response, getattr(response, "status_code", None), getattr(error, "status_code", None)):
        if isinstance(found, int):
            return found
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else None


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    body = getattr(getattr(error, "response", None), "text", "")
    return f"{text}: {' '.join(body.split())[:300]}" if isinstance(body, str) and body else text


def _failed(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": message}}


def _end_with_who_asked() -> None:
    sys.stdin.read()
    os._exit(3)


def main() -> None:
    """Answer one request."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what providers print is no answer
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_who_asked, daemon=True).start()
    json.dump(answer(request), out)
    out.close()
    sys.stderr.flush()
    os._exit(0)  # no thread or connection of a provider's is waited for


if __name__ == "__main__":
    main()
