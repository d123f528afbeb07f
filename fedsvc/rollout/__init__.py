"""Pure: how a new revision of a unit goes over its clusters, wave by wave.

`policy` is what a unit asks for, `state` what is remembered of a rollout under way; `step` moves it on by what the
clusters say, `acts` by what people say, and `holding` tells which revision a cluster shall hold meanwhile. No I/O, no
clock: the controller of rollouts gives what it saw and the time, and stores what comes out.
"""

from fedsvc.rollout.policy import RolloutPolicy, RolloutWave
from fedsvc.rollout.state import ClusterView, Phase, Release, Rollout

__all__ = ["ClusterView", "Phase", "Release", "Rollout", "RolloutPolicy", "RolloutWave"]
