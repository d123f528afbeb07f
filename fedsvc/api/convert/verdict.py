"""What a decision says of every cluster, as protobuf."""

from fedsvc.v1 import unit_service_pb2
from fedsvc_placement import ClusterVerdict, Decision, explain_lines


def verdict_messages(decision: Decision) -> tuple[list[unit_service_pb2.ClusterVerdict], list[str]]:
    """A line a cluster, and what concerns the unit as a whole."""
    lines = explain_lines(decision)
    general = [line.removeprefix("unit: ") for line in lines if line.startswith("unit: ")]
    verdicts = [
        unit_service_pb2.ClusterVerdict(
            cluster=verdict.cluster, chosen=verdict.chosen, reasons=verdict_reasons(verdict)
        )
        for verdict in decision.clusters
    ]
    return verdicts, general


def verdict_reasons(verdict: ClusterVerdict) -> list[str]:
    """Why a cluster is chosen or not: the rules that refuse it, or, where none does, all of them."""
    told = [rule for rule in verdict.verdicts if not rule.passed] or list(verdict.verdicts)
    return [f"{rule.reason}: {rule.message}" if rule.message else rule.reason for rule in told]
