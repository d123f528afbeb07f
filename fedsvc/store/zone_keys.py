"""The secrets of zones' keys: sealed in the intent of their zone, kept where none is given, and opened for use."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import HiddenPrimary, Provider, Rfc2136, ZoneKey, keys_of
from fedsvc.store.sealing import Sealer, SealError
from fedsvc_dns.providers.keys import TsigKey


class MissingSecretError(Exception):
    """A key has no secret, and none is stored for it."""

    def __init__(self, path: str, key: ZoneKey) -> None:
        super().__init__(f"{path}: the key {key.name} has no secret")
        self.path = path


def opened(sealer: Sealer, zone: str, key: ZoneKey) -> TsigKey:
    """A key as it signs.

    Raises:
        SealError: it does not open with the key file.
        ValueError: what was stored is no key.
    """
    secret = sealer.open(base64.b64decode(key.sealed), _context(zone, key.name)).decode()
    return TsigKey(name=key.name, secret=secret, algorithm=key.algorithm)


def sealed(
    sealer: Sealer, zone: str, provider: Provider | None, secrets: Mapping[str, str], *, before: Provider | None
) -> Provider | None:
    """A provider with the secrets of its keys.

    Args:
        sealer: seals.
        zone: id of the zone.
        provider: its keys without secrets.
        secrets: name of a key to what was given for it, in base64; a key that is not there keeps the one it has.
        before: what is stored. A secret that did not change is not sealed again, so that equal intent stays equal.

    Raises:
        MissingSecretError: a key has none, here or there.
    """
    stored = {key.name: key.sealed for _, key in keys_of(before)}
    found: dict[str, str] = {}
    for path, key in keys_of(provider):
        held, secret = stored.get(key.name, ""), secrets.get(key.name, "")
        if not (held or secret):
            raise MissingSecretError(path, key)
        if secret and (not held or _secret(sealer, zone, key.name, held) != secret):
            held = base64.b64encode(sealer.seal(secret.encode(), _context(zone, key.name))).decode()
            stored[key.name] = held
        found[key.name] = held
    match provider:
        case Rfc2136():
            return replace(provider, key=replace(provider.key, sealed=found[provider.key.name]))
        case HiddenPrimary():
            return replace(
                provider,
                secondaries=tuple(
                    replace(one, key=replace(one.key, sealed=found[one.key.name])) for one in provider.secondaries
                ),
            )
        case _:
            return provider


def contradicted(
    sealer: Sealer, zone: str, provider: HiddenPrimary, others: Iterable[Zone]
) -> Iterator[tuple[str, str]]:
    """Keys that other zones' secondaries have with another secret: a signature tells its key by name alone.

    Args:
        sealer: opens them.
        zone: id of the zone.
        provider: its keys with their secrets.
        others: the other zones.

    Returns:
        The path of each such key within the intent of the zone, and the id of the other zone.
    """
    ours = {key.name: (path, key) for path, key in keys_of(provider)}
    for other in others:
        if not isinstance(other.spec.provider, HiddenPrimary):
            continue
        for _, theirs in keys_of(other.spec.provider):
            path, key = ours.get(theirs.name, ("", theirs))
            if path and (key.algorithm, _secret(sealer, zone, key.name, key.sealed)) != (
                theirs.algorithm,
                _secret(sealer, other.name, theirs.name, theirs.sealed),
            ):
                del ours[theirs.name]
                yield path, other.name


def _secret(sealer: Sealer, zone: str, name: str, held: str) -> str | None:
    try:
        return sealer.open(base64.b64decode(held), _context(zone, name)).decode()
    except SealError:
        return None  # what cannot be opened any more is replaced


def _context(zone: str, name: str) -> str:
    return f"zone/{zone}/key/{name}"
