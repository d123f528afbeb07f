"""Pure: record sets of one name from what was chosen for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedsvc_dns.planner.addresses import Answer
from fedsvc_dns.planner.choosing import Choice
from fedsvc_dns.planner.naming import name_in_cluster
from fedsvc_dns.planner.targets import TargetDecision
from fedsvc_dns.planner.zone import ServiceBinding
from fedsvc_dns.records import RecordSet, normal_name

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Addresses:
    """Both families of the same answers, each sorted."""

    v4: tuple[str, ...]
    v6: tuple[str, ...]


def addresses_of(answers: Sequence[Answer]) -> Addresses:
    """Return the addresses of answers, each once."""
    if len(answers) == 1:
        return Addresses(answers[0].v4, answers[0].v6)
    v4: set[str] = set()
    v6: set[str] = set()
    for answer in answers:
        v4.update(answer.v4)
        v6.update(answer.v6)
    return Addresses(tuple(sorted(v4)), tuple(sorted(v6)))


def address_sets(name: str, addresses: Addresses, ttl_seconds: int) -> list[RecordSet]:
    """Return the A and AAAA sets of a name that is in normal form."""
    return [
        RecordSet(name=name, type=type_, ttl_seconds=ttl_seconds, values=values)
        for type_, values in (("A", addresses.v4), ("AAAA", addresses.v6))
        if values
    ]


def alias(name: str, target: str, ttl_seconds: int) -> RecordSet:
    """Return the CNAME set of a name."""
    return RecordSet(name=name, type="CNAME", ttl_seconds=ttl_seconds, values=(target,))


def service_sets(
    name: str, whole: str, choice: Choice, targets: Mapping[str, TargetDecision], ttl_seconds: int
) -> list[RecordSet]:
    """Return the SRV set of each named port at a name (RFC 2782): priorities are tiers, weights are weights.

    Args:
        name: at which.
        whole: the global name, below which each cluster has its own.
        choice: who answers; its reserves come with the priority of their tiers.
        targets: of the object, by cluster.
        ttl_seconds: of the sets.
    """
    values: dict[str, set[str]] = {}
    for answer in (*choice.answers, *choice.reserves):
        target = targets[answer.cluster]
        host = name_in_cluster(answer.cluster, whole, answer.hostname)
        for port in target.ports:
            if port.name:
                owner = f"_{port.name}._{port.protocol}.{name}".lower()
                values.setdefault(owner, set()).add(f"{target.tier} {target.weight} {port.port} {host}")
    return [
        RecordSet(name=normal_name(owner), type="SRV", ttl_seconds=ttl_seconds, values=tuple(sorted(values[owner])))
        for owner in sorted(values)
    ]


def cluster_sets(whole: str, answers: Iterable[Answer], ttl_seconds: int) -> list[RecordSet]:
    """Return the addresses of each answer's own name, which SRV records point to."""
    by_name: dict[str, list[Answer]] = {}
    for answer in answers:
        by_name.setdefault(name_in_cluster(answer.cluster, whole, answer.hostname), []).append(answer)
    return [
        made for name, own in sorted(by_name.items()) for made in address_sets(name, addresses_of(own), ttl_seconds)
    ]


def binding_owner(binding: ServiceBinding, name: str) -> str:
    """Return where the record of a binding stands (RFC 9460 sections 2.3 and 9.1)."""
    port = (
        "" if binding.port is None or (binding.scheme, binding.port) == ("https", HTTPS_PORT) else f"_{binding.port}."
    )
    if binding.scheme == "https" and not port:
        return name
    return normal_name(f"{port}_{binding.scheme}.{name}")


def binding_sets(
    name: str, addresses: Addresses, bindings: Iterable[ServiceBinding], ttl_seconds: int
) -> list[RecordSet]:
    """Return HTTPS and SVCB sets of a name, with its addresses as hints: clients that take hints go nowhere else."""
    hints = [
        f'{key}="{",".join(values)}"'
        for key, values in (("ipv4hint", addresses.v4), ("ipv6hint", addresses.v6))
        if values
    ]
    values: dict[tuple[str, str], set[str]] = {}
    for binding in bindings:
        owner = binding_owner(binding, name)
        parts = ["1", "." if owner == name else name]
        if binding.alpn:
            parts.append(f'alpn="{",".join(binding.alpn)}"')
        if binding.port is not None and owner != name:
            parts.append(f'port="{binding.port}"')
        type_ = "HTTPS" if binding.scheme == "https" else "SVCB"
        values.setdefault((owner, type_), set()).add(" ".join((*parts, *hints)))
    return [
        RecordSet(name=owner, type=type_, ttl_seconds=ttl_seconds, values=tuple(sorted(values[owner, type_])))
        for owner, type_ in sorted(values)
    ]
