"""The rules that say whether a unit may run on a cluster. Every rule is asked for every cluster; all refusals are kept.

To add a rule: write a function from `Candidate` to `Verdict`, and put it into `RULES` at the place where its refusal
would be the answer to "why not there?"; the first refusal in this order is the one that `explain` names first. A rule
that the unit makes no use of gives no verdict, so that records hold what was asked for and no more.
"""

from fedsvc_placement.rules import location, neighbours, platform, selection, taints
from fedsvc_placement.rules.candidate import Candidate, Rule

RULES: tuple[Rule, ...] = (
    selection.SELECTION,
    selection.EXCLUSION,
    selection.LEAVING,
    selection.DEPARTURE,
    location.JURISDICTION,
    location.DATA_ANCHOR,
    neighbours.FOLLOWS,
    neighbours.UNIT_AFFINITY,
    location.TOPOLOGY,
    platform.API_AVAILABILITY,
    platform.KUBERNETES_VERSION,
    platform.CONDITIONS,
    taints.NO_EXECUTE,
    taints.NO_SCHEDULE,
)

__all__ = ["RULES", "Candidate", "Rule"]
