"""Resources of a unit as they are named on a command line: KIND/NAME, or KIND/NAMESPACE/NAME where that is needed."""

from collections.abc import Iterable, Sequence

from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.output.views import object_text
from fedsvc.v1 import common_pb2
from fedsvc_client import Client, split_unit_name

_SHOWN = 8


def find_resources(client: Client, unit: str, words: Sequence[str]) -> list[common_pb2.ManifestRef]:
    """Find the resources of a unit that words name; each once.

    Args:
        client: The client.
        unit: Full name of the unit.
        words: Such as `deployment/web` or `configmap/shop/settings`; kinds as people write them, plurals too.

    Raises:
        UsageFailure: A word is not of that form, or fits several resources.
        Failure: The unit has none of that name.
    """
    known = [resource.ref for resource in client.resources.list(parent=unit)]
    found: list[common_pb2.ManifestRef] = []
    for word in words:
        ref = _find(known, word, unit)
        if ref not in found:
            found.append(ref)
    return found


def split_word(word: str) -> tuple[str, str, str]:
    """Take apart KIND/NAME or KIND/NAMESPACE/NAME: kind in small letters, namespace (empty where not told), name.

    Raises:
        UsageFailure: It is not of that form.
    """
    parts = word.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageFailure(f"{word!r}: write KIND/NAME, for example deployment/web, or KIND/NAMESPACE/NAME")
    return parts[0].lower(), parts[1] if len(parts) == 3 else "", parts[-1]


def is_kind(ref: common_pb2.ManifestRef, kind: str) -> bool:
    """Tell whether a kind as people write it is that of a resource: deployment, Deployments, deployments.apps."""
    plain, dot, group = kind.partition(".")
    own_group = ref.api_version.rpartition("/")[0]
    if dot and group != own_group:
        return False
    lowered = ref.kind.lower()
    plural = lowered[:-1] + "ies" if lowered.endswith("y") else lowered + ("es" if lowered.endswith("s") else "s")
    return plain in (lowered, plural)


def _find(known: Iterable[common_pb2.ManifestRef], word: str, unit: str) -> common_pb2.ManifestRef:
    kind, namespace, name = split_word(word)
    shown = "/".join(split_unit_name(unit))
    fitting = [
        ref
        for ref in known
        if is_kind(ref, kind) and ref.name == name and (not namespace or ref.namespace == namespace)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        several = ", ".join(f"{kind}/{ref.namespace}/{ref.name}" for ref in fitting[:_SHOWN])
        raise UsageFailure(f"{word!r} fits several resources of unit {shown}: say {several}")
    has = ", ".join(object_text(ref) for ref in list(known)[:_SHOWN]) or "no resources"
    raise Failure(f"unit {shown} has no {word}", code=Exit.NOT_FOUND, hint=f"It has {has}")
