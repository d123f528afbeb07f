"""Which flags restrict which kinds: what would do nothing is refused."""

from collections.abc import Sequence

from fedctl import kinds
from fedctl.failures import UsageFailure
from fedctl.kinds import Kind
from fedctl.listing import Filter

_RESTRICTS: dict[str, tuple[Kind, ...]] = {
    "--selector": (kinds.CLUSTER, kinds.UNIT),
    "--unit": (kinds.RESOURCE, kinds.WORK, kinds.REMOVAL, kinds.HOLD, kinds.EVENT),
    "--cluster": (kinds.WORK, kinds.REMOVAL, kinds.HOLD, kinds.EVENT),
    "--trouble": (kinds.WORK,),
}


def check_filter(asked: Sequence[Kind], wanted: Filter) -> None:
    """Refuse what would do nothing.

    Raises:
        UsageFailure: A flag does not restrict one of the kinds, or both contradict; the message says what it is for.
    """
    given = {
        "--selector": bool(wanted.selector),
        "--unit": bool(wanted.unit),
        "--cluster": bool(wanted.cluster),
        "--trouble": wanted.only_trouble,
    }
    for flag, kinds_of_flag in _RESTRICTS.items():
        wrong = next((kind for kind in asked if kind not in kinds_of_flag), None)
        if given[flag] and wrong is not None:
            allowed = ", ".join(kind.plural for kind in kinds_of_flag)
            raise UsageFailure(f"{flag} does not restrict {wrong.plural}; it is for: {allowed}")
    for kind in (kinds.EVENT, kinds.HOLD):
        if kind in asked and wanted.unit and wanted.cluster:
            raise UsageFailure(f"{kind.plural} are of a unit or of a cluster: give --unit or --cluster")
