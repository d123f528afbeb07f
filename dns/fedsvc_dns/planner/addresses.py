"""Pure: addresses as records have them; host names of load balancers by the addresses that they last had."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fedsvc_dns.planner.facts import Endpoint

_SINGLE = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that can answer for a name: a cluster's load balancer, or one endpoint of a headless Service.

    Attributes:
        cluster: where it is.
        id: unique in the cluster; empty for what there is one of.
        hostname: it asked for a name of its own; empty: it did not.
        v4: its IPv4 addresses, sorted.
        v6: its IPv6 addresses, sorted.
    """

    cluster: str
    id: str = _SINGLE
    hostname: str = ""
    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()


@lru_cache(maxsize=65536)
def parsed(text: str) -> tuple[int, str] | None:
    """Return the family (4 or 6) of an address and its one way of writing (RFC 5952); None: it is a host name.

    An IPv4 address within IPv6 is one of IPv4. What no client can connect to has family 0: unspecified, multicast and
    link-local ones.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return 0, str(address)
    return address.version, str(address)


def host_names(addresses: Iterable[str]) -> list[str]:
    """Return those that have to be resolved."""
    return [address for address in addresses if parsed(address) is None]


def last_known(
    wanted: Iterable[str], resolved: Mapping[str, tuple[str, ...]], before: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return the addresses of host names: as they are resolved now, and where they are not, as they were before.

    A resolver in trouble, or one that finds nothing any more, takes no address away.
    """
    known: dict[str, tuple[str, ...]] = {}
    for host in sorted(set(wanted)):
        addresses = resolved.get(host) or before.get(host)
        if addresses:
            known[host] = tuple(addresses)
    return known


def answers_of(
    cluster: str, addresses: tuple[str, ...], endpoints: tuple[Endpoint, ...], known: Mapping[str, tuple[str, ...]]
) -> tuple[Answer, ...]:
    """Return what can answer in a cluster: each endpoint, or the one that all addresses are of; none has none."""
    if endpoints:
        made = [
            _answer(cluster, endpoint.id, endpoint.hostname, endpoint.addresses, known)
            for endpoint in sorted(endpoints, key=lambda one: one.id)
        ]
    else:
        made = [
            _answer(cluster, _SINGLE, "", addresses, known) if host_names(addresses) else _fixed(cluster, addresses)
        ]
    return tuple(answer for answer in made if answer.v4 or answer.v6)


@lru_cache(maxsize=65536)
def _fixed(cluster: str, addresses: tuple[str, ...]) -> Answer:
    return _answer(cluster, _SINGLE, "", addresses, {})


def _answer(
    cluster: str, id_: str, hostname: str, addresses: Iterable[str], known: Mapping[str, tuple[str, ...]]
) -> Answer:
    families: dict[int, set[str]] = {0: set(), 4: set(), 6: set()}
    for address in addresses:
        for text in (address,) if parsed(address) is not None else known.get(address, ()):
            found = parsed(text)
            if found is not None:
                families[found[0]].add(found[1])
    return Answer(cluster, id_, hostname, tuple(sorted(families[4])), tuple(sorted(families[6])))
