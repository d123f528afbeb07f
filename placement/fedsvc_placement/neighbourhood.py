"""Where the units are that an affinity is about: counted once for all units that have it, and kept up to date."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedsvc_placement.model import ClusterSnapshot, PlacedUnit, UnitAffinity
from fedsvc_placement.selectors import matches_unit
from fedsvc_placement.topology import domains


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """All units that an affinity matches, whoever asks: also the one that has it."""

    affinity: UnitAffinity
    clusters: Mapping[str, ClusterSnapshot]
    units: dict[str, PlacedUnit] = field(default_factory=dict)
    # Where each is, as text.
    _told: dict[str, str] = field(default_factory=dict)
    # On how many clusters each unit is, by name of the cluster, and by domain.
    _by_cluster: dict[str, dict[str, int]] = field(default_factory=dict)
    _by_domain: dict[str, dict[str, int]] = field(default_factory=dict)

    def move(self, unit: PlacedUnit) -> None:
        """Take a unit from where it was, and note where it is, if the affinity is about it."""
        before = self.units.pop(unit.key, None)
        if before is not None:
            del self._told[unit.key]
            self._count(before, -1)
        if matches_unit(self.affinity.units, unit.key, unit.labels):
            self.units[unit.key] = unit
            self._told[unit.key] = repr((unit.key, sorted(unit.clusters)))
            self._count(unit, 1)

    def told(self, own: str) -> list[str]:
        """Return where the units are as text, sorted, but for the one of key `own`: equal texts, equal places."""
        return sorted([text for key, text in self._told.items() if key != own])

    def nowhere(self, own: str) -> bool:
        """Tell whether none of the units is anywhere, but for the one of key `own`."""
        return not any(found.keys() - {own} for found in self._by_cluster.values())

    def near(self, cluster: ClusterSnapshot, own: str) -> tuple[str, ...]:
        """Return the keys of the units that are in the same place as a cluster, sorted, but for `own`.

        A cluster is in the same place as itself, also where its region, say, is not known; of several zones one in
        common is enough.
        """
        found = set(self._by_cluster.get(cluster.name, ()))
        for domain in domains(cluster, self.affinity.by, self.affinity.label_key):
            found.update(self._by_domain.get(domain, ()))
        found.discard(own)
        return tuple(sorted(found))

    def _count(self, unit: PlacedUnit, step: int) -> None:
        for name in unit.clusters:
            _add(self._by_cluster, name, unit.key, step)
            if name in self.clusters:
                for domain in domains(self.clusters[name], self.affinity.by, self.affinity.label_key):
                    _add(self._by_domain, domain, unit.key, step)


def _add(counts: dict[str, dict[str, int]], where: str, key: str, step: int) -> None:
    found = counts.setdefault(where, {})
    found[key] = found.get(key, 0) + step
    if not found[key]:
        del found[key]
        if not found:
            del counts[where]
