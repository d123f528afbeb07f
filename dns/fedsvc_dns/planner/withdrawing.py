"""Pure: whether automation may take targets out of the answers: not while held, and not the fleet by regions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fedsvc_dns.planner.memory import Policy

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """One target as the guards see it; those that people took out are not among them.

    Attributes:
        key: (object, cluster).
        region: of its cluster; a cluster without one is a region of its own.
        is_out: automation took it out before.
        wants_out: it is not fit.
        is_certain: its cluster says so itself.
        has_quorum: most vantages, and at least two, say so.
        since: when it came into its state.
    """

    key: Key
    region: str
    is_out: bool
    wants_out: bool
    is_certain: bool
    has_quorum: bool
    since: datetime

    @property
    def is_lost(self) -> bool:
        """Whether it is out for what its own cluster did not say: so does the loss of a region look."""
        return self.is_out and self.wants_out and not self.is_certain


def held_back(targets: Iterable[Standpoint], policy: Policy) -> Mapping[Key, str]:
    """Return the targets that stay in though they are not fit, and why.

    A hold keeps all that are in. Else a region counts as withdrawn when more than half of its targets are out for what
    was not seen in the clusters themselves. While as many are as may be at once, another is only withdrawn where a
    quorum of probes says so: a bad vantage must not take a fleet away.
    """
    all_targets = sorted(targets, key=lambda target: target.key)
    newly = [target for target in all_targets if target.wants_out and not target.is_out]
    if policy.is_held:
        why = f"automation is held{': ' if policy.hold_reason else ''}{policy.hold_reason}"
        return {target.key: why for target in newly}
    doubtful: dict[str, list[Standpoint]] = {}
    for target in newly:
        if not target.is_certain and not target.has_quorum:
            doubtful.setdefault(target.region, []).append(target)
    if not doubtful:
        return {}
    return _by_region(all_targets, doubtful, policy)


def _by_region(
    targets: list[Standpoint], doubtful: Mapping[str, list[Standpoint]], policy: Policy
) -> Mapping[Key, str]:
    totals: dict[str, int] = {}
    out: dict[str, int] = {}
    for target in targets:
        totals[target.region] = totals.get(target.region, 0) + 1
        goes_surely = target.wants_out and not target.is_out and not target.is_certain and target.has_quorum
        out[target.region] = out.get(target.region, 0) + (target.is_lost or goes_surely)
    lost = {region for region, count in out.items() if count * 2 > totals[region]}
    held: dict[Key, str] = {}
    for region in sorted(doubtful, key=lambda name: (min(target.since for target in doubtful[name]), name)):
        would_be_lost = (out[region] + len(doubtful[region])) * 2 > totals[region]
        others = sorted(lost - {region})
        if would_be_lost and len(others) >= policy.regions_at_once:
            why = f"region {', '.join(others)} is withdrawn already, and no quorum of probes holds this one to be down"
            held.update({target.key: why for target in doubtful[region]})
        elif would_be_lost:
            lost.add(region)
    return held
