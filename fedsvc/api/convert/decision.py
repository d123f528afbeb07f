"""Decisions as protobuf."""

from datetime import datetime

import orjson

from fedsvc.api.convert.common import timestamp
from fedsvc.api.convert.verdict import verdict_reasons
from fedsvc.v1 import decision_pb2
from fedsvc_placement import Decision, Move, Shortfall, to_dict


def decision_message(
    decision: Decision,
    *,
    unit: str,
    revision: int,
    decision_id: str = "",
    create_time: datetime | None = None,
    whole: bool = True,
) -> decision_pb2.Decision:
    """A decision as protobuf.

    Args:
        decision: what was decided.
        unit: name of the unit.
        revision: of the unit.
        decision_id: empty for one that was not stored.
        create_time: when it was made; None for one that was not stored.
        whole: whether with the full record.
    """
    return decision_pb2.Decision(
        name=f"decisions/{decision_id}" if decision_id else "",
        unit=unit,
        revision=revision,
        create_time=timestamp(create_time),
        inputs_digest=decision.inputs_digest,
        clusters=[
            decision_pb2.ClusterDecision(
                cluster=verdict.cluster,
                chosen=verdict.chosen,
                bound=verdict.bound,
                reasons=verdict_reasons(verdict),
                score=sum(part.value for part in verdict.score),
                replicas=verdict.replicas,
            )
            for verdict in decision.clusters
        ],
        shortfalls=[shortfall_message(shortfall) for shortfall in decision.shortfall],
        moves=[move_message(move) for move in decision.moves],
        group=decision.group,
        reason=decision.reason,
        message=decision.message,
        warnings=[warning.message for warning in decision.warnings],
        held_back=decision.held_back,
        reconsider_time=timestamp(decision.reconsider_at),
        record_json=orjson.dumps(to_dict(decision)) if whole else b"",
    )


def move_message(move: Move) -> decision_pb2.Move:
    """A move as protobuf."""
    return decision_pb2.Move(
        cluster=move.cluster,
        workload=move.workload,
        before=move.before,
        after=move.after,
        voluntary=move.voluntary,
        message=move.message,
    )


def shortfall_message(shortfall: Shortfall) -> decision_pb2.Shortfall:
    """A shortfall as protobuf."""
    return decision_pb2.Shortfall(
        workload=shortfall.workload, replicas=shortfall.replicas, reason=shortfall.reason, message=shortfall.message
    )
