"""The kinds fedctl knows, under all the names people write: units, unit, u, unit/shop."""

import difflib
from dataclasses import dataclass

from fedctl.failures import UsageFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind."""

    plural: str
    singular: str
    short: tuple[str, ...]
    document: str  # `kind:` of its document
    is_namespaced: bool = False


CLUSTER = Kind(plural="clusters", singular="cluster", short=("cl",), document="Cluster")
UNIT = Kind(plural="units", singular="unit", short=("un", "u"), document="Unit", is_namespaced=True)
RESOURCE = Kind(
    plural="resources", singular="resource", short=("res",), document="FederatedResource", is_namespaced=True
)
WORK = Kind(plural="works", singular="work", short=("wk", "w"), document="Work", is_namespaced=True)
PLACEMENT_POLICY = Kind(
    plural="placementpolicies", singular="placementpolicy", short=("pp", "placement"), document="PlacementPolicy"
)
OVERRIDE_POLICY = Kind(
    plural="overridepolicies", singular="overridepolicy", short=("op", "override"), document="OverridePolicy"
)
STATUS_POLICY = Kind(plural="statuspolicies", singular="statuspolicy", short=("sp",), document="StatusPolicy")
POLICY = Kind(plural="policies", singular="policy", short=("pol",), document="Policy")
FLEET_SETTINGS = Kind(plural="fleetsettings", singular="fleetsettings", short=("fs",), document="FleetSettings")
ZONE = Kind(plural="zones", singular="zone", short=("zn",), document="Zone")
HOLD = Kind(plural="holds", singular="hold", short=("hd",), document="Hold")
REMOVAL = Kind(
    plural="removals", singular="removal", short=("rm", "tombstones", "tombstone"), document="Work", is_namespaced=True
)
EVENT = Kind(plural="events", singular="event", short=("ev",), document="Event", is_namespaced=True)

POLICIES = (PLACEMENT_POLICY, OVERRIDE_POLICY, STATUS_POLICY)
KINDS = (CLUSTER, UNIT, RESOURCE, WORK, POLICY, *POLICIES, FLEET_SETTINGS, ZONE, HOLD, REMOVAL, EVENT)

_POD_NAMES = ("pods", "pod", "po")  # read from members, and no kind of the server's

_BY_NAME = {name: kind for kind in KINDS for name in (kind.plural, kind.singular, *kind.short)}


def find_kind(text: str, allowed: tuple[Kind, ...] = KINDS) -> Kind:
    """Return the kind that is meant.

    Raises:
        UsageFailure: There is none of that name; the message says what is near, and which there are.
    """
    kind = _BY_NAME.get(text.lower())
    if kind is not None and kind in allowed:
        return kind
    names = [item.plural for item in allowed]
    if kind is not None:
        raise UsageFailure(f"{kind.plural} cannot be used here; there are: {', '.join(names)}")
    near = difflib.get_close_matches(text.lower(), _BY_NAME, n=1, cutoff=0.6)
    meant = f"; did you mean {_BY_NAME[near[0]].plural}?" if near and _BY_NAME[near[0]] in allowed else "."
    raise UsageFailure(f"there is no kind {text!r}{meant} There are: {', '.join(names)}")


def pods_wanted(words: tuple[str, ...]) -> str | None:
    """Return whose pods are asked for: the unit, empty: of none by name; None where it is not pods that are asked for.

    Raises:
        UsageFailure: Several units are named.
    """
    front, slash, named = words[0].partition("/") if words else ("", "", "")
    if front.lower() not in _POD_NAMES:
        return None
    units = [named] if slash else [word.removeprefix("unit/").removeprefix("units/") for word in words[1:]]
    if slash or len(units) > 1:
        raise UsageFailure("pods are asked for by one unit:  fedctl get pods UNIT")
    return units[0] if units else ""


def parts(kind: Kind, name: str) -> tuple[Kind, ...]:
    """Return the kinds that a kind stands for: `policies` are three.

    Raises:
        UsageFailure: One policy is named, and not of which kind it is.
    """
    if kind != POLICY:
        return (kind,)
    if name:
        raise UsageFailure(
            f"say which kind of policy: placementpolicy/{name}, overridepolicy/{name} or statuspolicy/{name}"
        )
    return POLICIES


def split_targets(words: tuple[str, ...], allowed: tuple[Kind, ...] = KINDS) -> list[tuple[Kind, str]]:
    """Read "unit shop", "unit shop web", "unit/shop cluster/eu-1" or a bare "units" (an empty name).

    Raises:
        UsageFailure: It is none of these.
    """
    if not words:
        raise UsageFailure(f"say a kind: {', '.join(kind.plural for kind in allowed)}")
    if "/" in words[0]:
        pairs = []
        for word in words:
            kind, _, name = word.partition("/")
            if not kind or not name:
                raise UsageFailure(f"{word!r}: write KIND/NAME, for example unit/shop")
            pairs.append((find_kind(kind, allowed), name))
        return pairs
    kinds = [find_kind(part, allowed) for part in words[0].split(",") if part]
    if not kinds:
        raise UsageFailure(f"say a kind: {', '.join(kind.plural for kind in allowed)}")
    return [(kind, name) for kind in kinds for name in words[1:] or ("",)]
