"""What a unit bears of a lost cluster."""

import pytest

from fedsvc.model.failover import FailoverMode, FailoverPolicy, tolerating
from fedsvc_placement import Placement, Taint, Toleration
from fedsvc_placement.selectors import toleration_for

LOST = Taint(key="fedsvc.io/unreachable", value="", effect="NoExecute")
OWN = Toleration(key="fedsvc.io/unreachable", operator="Exists", toleration_seconds=600)
AT_ONCE = Toleration(key="fedsvc.io/unreachable", operator="Exists", toleration_seconds=0)
ANY = Toleration(operator="Exists")
OTHER = Toleration(key="other", operator="Exists")


@pytest.mark.parametrize(
    ("policy", "is_held", "own", "seconds"),
    [
        (FailoverPolicy(), False, (), 30),
        (FailoverPolicy(toleration_seconds=8), False, (OTHER,), 8),
        (FailoverPolicy(toleration_seconds=0), False, (OTHER,), 5),  # no sooner than lost sight of all is told from it
        (FailoverPolicy(), False, (AT_ONCE,), 5),
        (FailoverPolicy(mode=FailoverMode.MANUAL), False, (), None),
        (FailoverPolicy(), True, (), None),
        (FailoverPolicy(), False, (OWN,), 600),  # what is written counts
        (FailoverPolicy(), False, (ANY,), None),
        (FailoverPolicy(), True, (OWN,), None),  # but for a hold
        (FailoverPolicy(mode=FailoverMode.MANUAL), False, (OWN,), None),
    ],
)
def test_the_first_toleration_of_a_lost_cluster(
    policy: FailoverPolicy, own: tuple[Toleration, ...], seconds: int | None, *, is_held: bool
) -> None:
    found = toleration_for(LOST, tolerating(Placement(tolerations=own), policy, is_held=is_held).tolerations)
    assert found is not None
    assert found.toleration_seconds == seconds


MAINTENANCE = Taint(key="fedsvc.io/maintenance", value="", effect="NoExecute")


def test_a_unit_that_never_moves_bears_every_taint_and_is_drawn_to_none() -> None:
    never = FailoverPolicy(mode=FailoverMode.NEVER)
    own = Toleration(key="gpu", operator="Exists")
    short = Toleration(key="fedsvc.io/maintenance", operator="Exists", toleration_seconds=60)
    found = tolerating(Placement(tolerations=(own, short)), never, is_held=False).tolerations
    lost = toleration_for(LOST, found)
    assert lost is not None
    assert lost.toleration_seconds is None
    emptied = toleration_for(MAINTENANCE, found)
    assert emptied is not None
    assert emptied.toleration_seconds == 100 * 365 * 86_400  # what is borne for a time brings nothing new
    gpu = toleration_for(Taint(key="gpu", value="", effect="NoExecute"), found)
    assert gpu is not None
    assert gpu.toleration_seconds is None
