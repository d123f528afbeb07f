"""Lists: selection, pages that show one revision, and the bytes of the answer."""

import base64
import binascii
from collections.abc import Mapping

import orjson

from fedsvc.simulator.errors import ApiError, bad_request, expired
from fedsvc.simulator.filters import Filter, read_filter
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.store import Store, Stored, parse_revision, type_prefix


def list_objects(store: Store, kind: Kind, version: str, namespace: str, query: Mapping[str, str]) -> bytes:
    """The answer to a list request.

    Raises:
        ApiError: 400 for bad parameters, 410 for a continue token that is too old.
    """
    selection = read_filter(kind, namespace, query)
    limit = _limit(query.get("limit", ""))
    token = query.get("continue", "")
    if token:
        revision, after = _read_token(token)
        candidates = _snapshot(store, kind, namespace, revision)
        candidates = [stored for stored in candidates if (stored.namespace, stored.name) > after]
    else:
        revision, after = store.revision, ("", "")
        _check_revision(store, query)
        candidates = _candidates(store, kind, selection)
    chosen = [stored for stored in candidates if selection.matches(stored)]
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if limit and len(chosen) > limit:
        last = chosen[limit - 1]
        metadata["continue"] = _write_token(revision, last)
        if selection.everything:
            metadata["remainingItemCount"] = len(chosen) - limit
        chosen = chosen[:limit]
    return encode_list(kind, version, chosen, metadata)


def encode_list(kind: Kind, version: str, items: list[Stored], metadata: dict[str, object]) -> bytes:
    """A list document; items of built-in kinds have no apiVersion and kind, as real servers send them."""
    if kind.custom:
        prefix = type_prefix(kind, version)
        joined = b",".join([prefix + stored.encoded()[1:] for stored in items])
    else:
        joined = b",".join([stored.encoded() for stored in items])
    head = b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[' % (
        kind.kind.encode(),
        kind.api_version(version).encode(),
        orjson.dumps(metadata),
    )
    return head + joined + b"]}"


def _candidates(store: Store, kind: Kind, selection: Filter) -> list[Stored]:
    if selection.name and (selection.namespace or not kind.namespaced):
        found = store.get(kind, selection.namespace, selection.name)
        return [] if found is None else [found]
    return store.all(kind, selection.namespace)


def _snapshot(store: Store, kind: Kind, namespace: str, revision: int) -> list[Stored]:
    try:
        return store.all_at(kind, namespace, revision)
    except ApiError as error:
        message = (
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter."
        )
        raise expired(message) from error


def _check_revision(store: Store, query: Mapping[str, str]) -> None:
    wanted = parse_revision(query.get("resourceVersion", ""))
    if wanted > store.revision:
        message = f"Too large resource version: {wanted}, current: {store.revision}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise ApiError(504, "Timeout", message, details={"causes": causes, "retryAfterSeconds": 1}, retry_after=1)


def _limit(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _write_token(revision: int, last: Stored) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([revision, last.namespace, last.name])).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error) as error:
        raise bad_request("continue key is not valid: encoded value is not valid") from error
    return int(revision), (str(namespace), str(name))
