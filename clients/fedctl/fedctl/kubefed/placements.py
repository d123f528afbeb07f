"""Where KubeFed places an object: its own placement within that of its namespace, and by a preference of replicas.

A placement is here as documents have it: `clusters` or `clusterSelector`, or neither, which is nowhere.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fedctl.files.convert import Findings
from fedctl.files.yamltree import Path
from fedctl.kubefed import fields
from fedctl.kubefed.preferences import Preference

Placement: TypeAlias = Mapping[str, Any]

NOWHERE: Placement = {"clusters": []}
EVERYWHERE: Placement = {"clusterSelector": {}}

_PATH: Path = ("spec", "placement")
_FIELDS = ("clusters", "clusterSelector")
_SELECTOR_FIELDS = ("matchLabels", "matchExpressions")
_EXPRESSION_FIELDS = ("key", "operator", "values")


def read_placement(value: Any, findings: Findings) -> Placement:
    """Read `spec.placement`: a list of clusters counts before a selector, and also when it is empty."""
    given = fields.mapping(value, _PATH, findings)
    fields.refuse_unknown(given, _FIELDS, _PATH, findings)
    if given.get("clusters") is not None:
        path: Path = (*_PATH, "clusters")
        names = []
        for index, entry in enumerate(fields.items(given["clusters"], path, findings)):
            one = fields.mapping(entry, (*path, index), findings)
            fields.refuse_unknown(one, ("name",), (*path, index), findings)
            names.append(fields.text(one, "name", (*path, index), findings))
        return {"clusters": names}
    return selected(given, findings)


def selected(value: Any, findings: Findings) -> Placement:
    """Read the selector of a placement alone, whatever clusters it lists."""
    given = fields.mapping(value, _PATH, findings)
    if given.get("clusterSelector") is None:
        return {}
    return {"clusterSelector": _read_selector(given["clusterSelector"], (*_PATH, "clusterSelector"), findings)}


def _read_selector(value: Any, path: Path, findings: Findings) -> dict[str, Any]:
    given = fields.mapping(value, path, findings)
    fields.refuse_unknown(given, _SELECTOR_FIELDS, path, findings)
    labels = fields.texts(given.get("matchLabels"), (*path, "matchLabels"), findings)
    expressions = []
    for index, entry in enumerate(fields.items(given.get("matchExpressions"), (*path, "matchExpressions"), findings)):
        place: Path = (*path, "matchExpressions", index)
        one = fields.mapping(entry, place, findings)
        fields.refuse_unknown(one, _EXPRESSION_FIELDS, place, findings)
        expressions.append({name: one[name] for name in _EXPRESSION_FIELDS if one.get(name) is not None})
    return {
        **({"matchLabels": labels} if labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def within(own: Placement, outer: Placement) -> Placement:
    """Return the clusters that two placements have in common."""
    if not own or outer == EVERYWHERE:
        return own
    if not outer or outer == NOWHERE:
        return NOWHERE
    if own == EVERYWHERE:
        return outer
    if "clusters" in own and "clusters" in outer:
        return {"clusters": [name for name in own["clusters"] if name in outer["clusters"]]}
    if "clusterSelector" in own and "clusterSelector" in outer:
        return {"clusterSelector": _both(own["clusterSelector"], outer["clusterSelector"])}
    # Of the clusters that one names those that the other selects: an affinity group is a part of what is selected.
    matcher = {"names": outer["clusters"]} if "clusters" in outer else {"selector": outer["clusterSelector"]}
    return {**own, "groups": [{"name": "namespace", "clusters": matcher}]}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    labels = dict(one.get("matchLabels", {}))
    expressions = [*one.get("matchExpressions", ())]
    for key, value in other.get("matchLabels", {}).items():
        if labels.setdefault(key, value) != value:
            expressions.append({"key": key, "operator": "In", "values": [value]})
    expressions += [entry for entry in other.get("matchExpressions", ()) if entry not in expressions]
    return {
        **({"matchLabels": labels} if labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def preferred(own: Placement, own_selected: Placement, outer: Placement, preference: Preference) -> Placement:
    """Return where a preference of replicas places its target.

    KubeFed overwrites the placement of the target by what came of the preference, unless that is to intersect: then the
    selectors of the target and its namespace hold, and lists of clusters in them count for nothing.

    Args:
        own: the target's placement.
        own_selected: its selector alone.
        outer: the selector of its namespace alone; everywhere where the namespace is not known.
        preference: of its replicas.
    """
    if preference.intersects:
        placement = within(own_selected, outer) if own_selected else own
    elif preference.clusters is None:
        placement = EVERYWHERE
    else:
        placement = {"clusters": list(preference.clusters)}
    return {**placement, "replicas": preference.replicas}
