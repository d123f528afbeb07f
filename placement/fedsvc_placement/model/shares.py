"""The shares of one division in columns: told one by one only when asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from fedsvc_placement.model.answer import Share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares(Sequence[Share]):
    """One `Share` for each cluster, sorted by name; equal to a tuple of the same. Each column is a field of `Share`."""

    clusters: Sequence[str]
    weights: Sequence[int]
    mins: Sequence[int]
    maxs: Sequence[int | None]
    rules: Sequence[int | None]
    held: Sequence[bool]
    replicas: Sequence[int]
    befores: Sequence[int | None]
    rooms: Sequence[int | None]
    tiers: Sequence[int]
    completions: Sequence[int | None]
    _made: list[Share] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.clusters)

    @overload
    def __getitem__(self, index: int) -> Share: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Share, ...]: ...
    def __getitem__(self, index: int | slice) -> Share | tuple[Share, ...]:
        made = self._all()
        return tuple(made[index]) if isinstance(index, slice) else made[index]

    def __iter__(self) -> Iterator[Share]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | Shares):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self.clusters))

    def _all(self) -> Sequence[Share]:
        if len(self._made) != len(self.clusters):
            self._made[:] = [self._one(place) for place in range(len(self.clusters))]
        return self._made

    def _one(self, place: int) -> Share:
        return Share(
            cluster=self.clusters[place],
            weight=self.weights[place],
            min=self.mins[place],
            max=self.maxs[place],
            rule=self.rules[place],
            held=self.held[place],
            replicas=self.replicas[place],
            before=self.befores[place],
            room=self.rooms[place],
            tier=self.tiers[place],
            completions=self.completions[place],
        )


def in_columns(shares: Sequence[Share]) -> Shares:
    """Return shares in columns; those that are so already as they are."""
    if isinstance(shares, Shares):
        return shares
    return Shares(
        clusters=[share.cluster for share in shares],
        weights=[share.weight for share in shares],
        mins=[share.min for share in shares],
        maxs=[share.max for share in shares],
        rules=[share.rule for share in shares],
        held=[share.held for share in shares],
        replicas=[share.replicas for share in shares],
        befores=[share.before for share in shares],
        rooms=[share.room for share in shares],
        tiers=[share.tier for share in shares],
        completions=[share.completions for share in shares],
    )
