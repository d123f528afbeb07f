"""Pure: what a unit with a primary is on each of its clusters, and where it stays until it is no primary any more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fedsvc.controllers.driven import is_lost
from fedsvc.model.roles import RolePolicy, Switchover, first_primary
from fedsvc.model.unit import Resource
from fedsvc.rendering.roles import RoleView
from fedsvc.store.placing import PlacementRequest
from fedsvc_placement import ClusterSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePlan:
    """What a decision makes of the roles of a unit."""

    policy: RolePolicy
    state: Switchover
    is_new: bool = False  # the unit had no primary before
    staying: tuple[str, ...] = ()  # clusters that it is to leave, and does not before it is a replica there

    def view(self, cluster: str) -> RoleView:
        """What the unit shall be on a cluster."""
        return self.state.view(cluster)

    def indexes(self, resources: Sequence[Resource], cluster: str) -> tuple[int, ...]:
        """Those of the resources that are to be on a cluster now: of what runs in a step, only that of this step."""
        running = self.state.hooks_on(cluster, self.policy)
        return tuple(
            index
            for index, one in enumerate(resources)
            if not self.policy.is_hook(one.key) or any(hook.means(one.key) for hook in running)
        )


def plan_roles(
    request: PlacementRequest,
    *,
    targets: Collection[str],
    clusters: Mapping[str, ClusterSnapshot],
) -> RolePlan | None:
    """What becomes of the roles of a unit; None: it has none, or is nowhere.

    Where the primary is, and where it was and is not known to be a replica by now, the unit stays: what nobody writes
    to any more could not be made a replica. Only a cluster that is lost and is to leave the fleet is let go.

    Args:
        request: of the unit.
        targets: clusters on which it is to be.
        clusters: all of the fleet.
    """
    policy = request.unit.spec.failover.roles
    if policy is None or request.unit.delete_time is not None or not targets:
        return None
    stored = request.facts.switchover
    state = stored or first_primary(policy, targets)
    assert state is not None, "there are targets"
    bound = {binding.cluster for binding in request.bindings}
    staying = tuple(
        name
        for name in sorted({state.primary, *state.undemoted})
        if name in bound
        and name not in targets
        and name in clusters
        and not (clusters[name].deleting and (is_lost(clusters[name]) or name != state.primary))
    )
    return RolePlan(policy=policy, state=state, is_new=stored is None, staying=staying)
