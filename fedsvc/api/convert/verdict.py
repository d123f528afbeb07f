"""What a decision says of every cluster, as protobuf."""

from typing import Final

from fedsvc.v1 import unit_service_pb2
from fedsvc_placement import ClusterVerdict, Decision, explain_lines

_UNIT: Final = "unit: "
_WARNING: Final = "warning "


def verdict_messages(decision: Decision) -> tuple[list[unit_service_pb2.ClusterVerdict], list[str]]:
    """A line a cluster, and what concerns the unit as a whole."""
    lines = [line.removeprefix(_UNIT) for line in explain_lines(decision) if line.startswith(_UNIT)]
    general = [line for line in lines if not line.startswith(_WARNING)]
    general.extend(warning.message for warning in decision.warnings)
    verdicts = [
        unit_service_pb2.ClusterVerdict(cluster=verdict.cluster, chosen=verdict.chosen, reasons=_reasons(verdict))
        for verdict in decision.clusters
    ]
    return verdicts, general


def _reasons(verdict: ClusterVerdict) -> list[str]:
    """Those that failed; where none did, those that have words to say.

    The record has one verdict a rule, and two rules may say the same: once is enough for a reader.
    """
    told = [rule for rule in verdict.verdicts if (rule.message if verdict.chosen else not rule.passed)]
    return list(dict.fromkeys(f"{rule.reason}: {rule.message}" if rule.message else rule.reason for rule in told))
