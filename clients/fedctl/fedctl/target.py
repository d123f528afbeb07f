"""Where plain manifests go: `--clusters`, `--selector`, `--all-clusters` or `--placement`, as a placement."""

import re
from dataclasses import dataclass

from fedctl.failures import UsageFailure
from fedsvc.v1 import common_pb2, placement_pb2, unit_pb2

_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\(\s*(?P<values>[^()]*?)\s*\)\Z")
_EQUAL = re.compile(r"(?P<key>[^\s=!,()]+)\s*(?P<operator>==?|!=)\s*(?P<value>[^\s=!,()]*)\Z")
_EXISTS = re.compile(r"(?P<no>!?)\s*(?P<key>[^\s=!,()]+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the flags said; None and empty where they said nothing."""

    clusters: str | None = None
    selector: str | None = None
    all_clusters: bool = False
    placement: str | None = None

    def given(self) -> list[str]:
        """Return the flags that were given.

        Raises:
            UsageFailure: More than one was.
        """
        flags = {
            "--clusters": self.clusters is not None,
            "--selector": self.selector is not None,
            "--all-clusters": self.all_clusters,
            "--placement": self.placement is not None,
        }
        given = [flag for flag, is_given in flags.items() if is_given]
        if len(given) > 1:
            raise UsageFailure(f"{' and '.join(given)} contradict each other: give one of them")
        return given

    def put_into(self, spec: unit_pb2.UnitSpec) -> None:
        """Make it the placement of a unit.

        Raises:
            UsageFailure: A selector cannot be read, or the list of clusters is empty.
        """
        spec.ClearField("placement")
        spec.ClearField("placement_policy")
        if self.placement is not None:
            spec.placement_policy = self.placement
        elif self.clusters is not None:
            names = [name.strip() for name in self.clusters.split(",") if name.strip()]
            if not names:
                raise UsageFailure("--clusters: write names of clusters, for example eu-1,us-1")
            spec.placement.clusters.CopyFrom(placement_pb2.ClusterNames(names=names))
        else:
            spec.placement.cluster_selector.CopyFrom(parse_selector(self.selector or ""))


def parse_selector(text: str) -> common_pb2.LabelSelector:
    """Read a label selector in the text form of kubectl: "tier=prod,region in (eu,us),!legacy"; empty selects all.

    Raises:
        UsageFailure: It is none.
    """
    selector = common_pb2.LabelSelector()
    for part in (piece.strip() for piece in re.split(r",(?![^(]*\))", text)):
        if not part and not text.strip():
            continue
        if found := _SET.match(part):
            values = [value.strip() for value in found["values"].split(",")]
            operator = "In" if found["operator"] == "in" else "NotIn"
            selector.match_expressions.add(key=found["key"], operator=operator, values=values)
        elif found := _EQUAL.match(part):
            if found["operator"] == "!=" or found["key"] in selector.match_labels:
                operator = "NotIn" if found["operator"] == "!=" else "In"
                selector.match_expressions.add(key=found["key"], operator=operator, values=[found["value"]])
            else:
                selector.match_labels[found["key"]] = found["value"]
        elif found := _EXISTS.match(part):
            selector.match_expressions.add(key=found["key"], operator="DoesNotExist" if found["no"] else "Exists")
        else:
            raise UsageFailure(
                f"{text!r} is no label selector; write for example tier=prod or 'region in (eu,us),!old'"
            )
    return selector
