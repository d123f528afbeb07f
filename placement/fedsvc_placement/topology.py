"""Where clusters lie: the groups they form by cluster, zone, region, provider or label."""

from fedsvc_placement.model import ClusterSnapshot, Topology

_ZONES_JOINT = "+"


def domains(cluster: ClusterSnapshot, by: str, label_key: str) -> tuple[str, ...]:
    """Return the places a cluster is in; of zones there may be several, empty where nothing is known.

    Raises:
        ValueError: `by` is not a word of `Topology`; `validate` tells that with its path.
    """
    match by:
        case Topology.CLUSTER:
            return (cluster.name,)
        case Topology.ZONE:
            return tuple(sorted(set(cluster.zones)))
        case Topology.REGION:
            value = cluster.region
        case Topology.PROVIDER:
            value = cluster.provider
        case Topology.LABEL:
            value = cluster.labels.get(label_key, "")
        case _:
            raise ValueError(f"topology {by!r} is not one of {', '.join(Topology)}")
    return (value,) if value else ()


def group_of(cluster: ClusterSnapshot, by: str, label_key: str) -> str:
    """Return the one group a cluster is in when units spread, empty where nothing is known.

    A cluster over several zones forms a group with those over exactly the same zones.
    """
    return _ZONES_JOINT.join(domains(cluster, by, label_key))
