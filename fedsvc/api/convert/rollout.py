"""Rollouts and their policies between protobuf and the model."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.api.convert.common import inverted, matcher_message, read_enum, read_matcher, timestamp
from fedsvc.api.problems import Problems
from fedsvc.model.unit import Unit
from fedsvc.rollout import ClusterView, Phase, Release, Rollout, RolloutPolicy, RolloutWave
from fedsvc.rollout.policy import DEADLINE_SECONDS, MAX_WAVES, OnFailure, OnSilence, validate
from fedsvc.rollout.step import failures, soak_seconds
from fedsvc.rollout.waves import plan_waves, waves_of
from fedsvc.v1 import rollout_pb2 as pb
from fedsvc_placement import ClusterMatcher

_FAILURES: Final = {
    OnFailure.PAUSE: pb.ROLLOUT_FAILURE_MODE_PAUSE,
    OnFailure.ROLL_BACK: pb.ROLLOUT_FAILURE_MODE_ROLL_BACK,
}
_READ_FAILURES: Final = {pb.ROLLOUT_FAILURE_MODE_UNSPECIFIED: OnFailure.PAUSE, **inverted(_FAILURES)}
_SILENCES: Final = {
    OnSilence.FAIL: pb.ROLLOUT_SILENCE_MODE_FAIL,
    OnSilence.SKIP: pb.ROLLOUT_SILENCE_MODE_SKIP,
}
_READ_SILENCES: Final = {pb.ROLLOUT_SILENCE_MODE_UNSPECIFIED: OnSilence.FAIL, **inverted(_SILENCES)}
_PHASES: Final = {
    Phase.PROGRESSING: pb.ROLLOUT_PHASE_PROGRESSING,
    Phase.SOAKING: pb.ROLLOUT_PHASE_SOAKING,
    Phase.WAITING_FOR_APPROVAL: pb.ROLLOUT_PHASE_WAITING_FOR_APPROVAL,
    Phase.PAUSED: pb.ROLLOUT_PHASE_PAUSED,
    Phase.FAILED: pb.ROLLOUT_PHASE_FAILED,
    Phase.ROLLING_BACK: pb.ROLLOUT_PHASE_ROLLING_BACK,
    Phase.ROLLED_BACK: pb.ROLLOUT_PHASE_ROLLED_BACK,
    Phase.COMPLETED: pb.ROLLOUT_PHASE_COMPLETED,
}


def policy_message(policy: RolloutPolicy | None) -> pb.RolloutPolicy | None:
    """A policy as protobuf; None stays unset."""
    if policy is None:
        return None
    return pb.RolloutPolicy(
        waves=[
            pb.RolloutWave(
                name=wave.name,
                clusters=None if wave.clusters == ClusterMatcher() else matcher_message(wave.clusters),
                percent=wave.percent,
                count=wave.count,
                soak_seconds=wave.soak_seconds,
                approval=wave.approval,
            )
            for wave in policy.waves
        ],
        soak_seconds=policy.soak_seconds,
        max_parallel=policy.max_parallel,
        max_failures=policy.max_failures,
        deadline_seconds=policy.deadline_seconds,
        on_failure=_FAILURES[policy.on_failure],
        on_silence=_SILENCES[policy.on_silence],
    )


def read_policy(message: pb.RolloutPolicy, path: str, problems: Problems) -> RolloutPolicy:
    """A policy of protobuf, checked."""
    if len(message.waves) > MAX_WAVES:
        problems.add(f"{path}.waves", f"has {len(message.waves)} entries; at most {MAX_WAVES} are accepted")
        return RolloutPolicy()
    policy = RolloutPolicy(
        waves=tuple(
            RolloutWave(
                name=wave.name,
                clusters=read_matcher(wave.clusters) if wave.HasField("clusters") else ClusterMatcher(),
                percent=wave.percent if wave.HasField("percent") else None,
                count=wave.count if wave.HasField("count") else None,
                soak_seconds=wave.soak_seconds if wave.HasField("soak_seconds") else None,
                approval=wave.approval,
            )
            for wave in message.waves
        ),
        soak_seconds=message.soak_seconds,
        max_parallel=message.max_parallel,
        max_failures=message.max_failures,
        deadline_seconds=message.deadline_seconds if message.HasField("deadline_seconds") else DEADLINE_SECONDS,
        on_failure=read_enum(message.on_failure, _READ_FAILURES, f"{path}.on_failure", problems),
        on_silence=read_enum(message.on_silence, _READ_SILENCES, f"{path}.on_silence", problems),
    )
    problems.extend(validate(policy, path))
    return policy


def rollout_message(unit: Unit, rollout: Rollout, clusters: Sequence[ClusterView], now: datetime) -> pb.Rollout:
    """A rollout as protobuf: each wave with its clusters as they are now."""
    policy = unit.spec.rollout or RolloutPolicy()
    plan = plan_waves(policy, clusters, released=rollout.names, stable=rollout.stable)
    views = {view.name: view for view in clusters}
    failed = failures(policy, rollout, views, now)
    waves = waves_of(policy)
    at = min(rollout.wave, len(waves) - 1)
    return pb.Rollout(
        name=f"{unit.resource_name}/rollout",
        revision=rollout.revision,
        stable_revision=rollout.stable,
        phase=_PHASES[rollout.phase],
        message=rollout.message,
        wave=len(waves) + 1 if rollout.phase is Phase.COMPLETED else at + 1,
        waves=[
            pb.RolloutWaveStatus(
                name=waves[index].name,
                state=_wave_state(rollout, index),
                approval=waves[index].approval,
                approved=index in rollout.approved,
                soak_seconds=soak_seconds(policy, index),
                clusters=[_cluster(rollout, views[name], failed) for name in plan[index]],
                soak_end_time=_soak_end(policy, rollout) if index == rollout.wave else None,
            )
            for index in range(len(waves))
        ],
        begin_time=timestamp(rollout.begin_time),
        phase_time=timestamp(rollout.phase_time),
        changed_by=rollout.by,
    )


def _soak_end(policy: RolloutPolicy, rollout: Rollout) -> Timestamp | None:
    if rollout.healthy_since is None or rollout.phase is not Phase.SOAKING:
        return None
    return timestamp(rollout.healthy_since + timedelta(seconds=soak_seconds(policy, rollout.wave)))


def _wave_state(rollout: Rollout, index: int) -> pb.RolloutWaveState.ValueType:
    if rollout.phase.goes_back:
        return pb.ROLLOUT_WAVE_STATE_PENDING
    if rollout.phase is Phase.COMPLETED or index < rollout.wave:
        return pb.ROLLOUT_WAVE_STATE_DONE
    return pb.ROLLOUT_WAVE_STATE_CURRENT if index == rollout.wave else pb.ROLLOUT_WAVE_STATE_PENDING


def _cluster(rollout: Rollout, view: ClusterView, failed: Sequence[str]) -> pb.RolloutCluster:
    release = next((one for one in rollout.released if one.cluster == view.name), None)
    return pb.RolloutCluster(
        cluster=view.name,
        revision=view.revision,
        state=_cluster_state(rollout, view, release, failed),
        message=view.silent or view.waits_for or view.trouble,
        release_time=None if release is None else timestamp(release.time),
    )


def _cluster_state(
    rollout: Rollout, view: ClusterView, release: Release | None, failed: Sequence[str]
) -> pb.RolloutClusterState.ValueType:
    if view.silent:
        return pb.ROLLOUT_CLUSTER_STATE_SILENT
    if view.name in failed:
        return pb.ROLLOUT_CLUSTER_STATE_FAILED
    if rollout.phase.goes_back:
        back = view.revision == rollout.stable and view.applied
        return pb.ROLLOUT_CLUSTER_STATE_HEALTHY if back and view.healthy else pb.ROLLOUT_CLUSTER_STATE_PROGRESSING
    if release is None and rollout.phase is not Phase.COMPLETED:
        return pb.ROLLOUT_CLUSTER_STATE_PENDING
    healthy = view.is_well(rollout.revision)
    return pb.ROLLOUT_CLUSTER_STATE_HEALTHY if healthy else pb.ROLLOUT_CLUSTER_STATE_PROGRESSING
