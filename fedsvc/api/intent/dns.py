"""Checking zones, and what units say of their names: by the planner's own checks."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fedsvc.api.problems import Problems
from fedsvc.api.selectors import parse_label_selector
from fedsvc.errors import InvalidInputError
from fedsvc.model.zone import FOREIGN_KINDS, ForeignObjects, Zone, ZoneSpec, planned_zone
from fedsvc.rendering.names import dns_label_problem
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.validate import Problem, validate_settings, validate_zone
from fedsvc_dns.planner.zone import DnsSettings, OnAllDown
from fedsvc_dns.records import is_within

MAX_NAME_SERVERS: Final = 13
"""So many fit into a small message."""
MAX_FOREIGN: Final = 20
MAX_MIN_HEALTHY: Final = 1_000
_SPELLED: Final = {
    "ttl": "ttl_seconds",
    "budget": "removals",
    "share": "percent",
    "namesAMinute": "names_a_minute",
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
}
_CLUSTER: Final = re.compile(r"(?<=\.weights)\[(.*)\]$")
_WORD: Final = re.compile(r"(?<=\.)(ttl|budget|share|namesAMinute|intervalSeconds|timeoutSeconds)(?=$|[.\[])")


def check_zone(name: str, spec: ZoneSpec, path: str, problems: Problems, *, others: Sequence[Zone]) -> None:
    """Note what is wrong with a zone.

    Args:
        name: its id.
        spec: its intent.
        path: of the intent.
        problems: gathers what is refused.
        others: the other zones that there are.
    """
    if not spec.domain:
        problems.add(f"{path}.domain", "is missing: write the apex of the zone, such as example.com")
        return
    if spec.on_all_down is OnAllDown.SORRY:
        problems.add(f"{path}.on_all_down", "is not for zones: the addresses that say sorry are a unit's own")
    if spec.min_healthy is not None and not 0 <= spec.min_healthy.count <= MAX_MIN_HEALTHY:
        problems.add(
            f"{path}.min_healthy.count", f"is {spec.min_healthy.count}; it must be from 0 to {MAX_MIN_HEALTHY}"
        )
    found = validate_zone(planned_zone(name, spec), path)
    problems.extend(_spelled(found))
    if any(problem.path == f"{path}.domain" for problem in found):
        return
    origin = to_a_labels(spec.domain)
    for other in others:
        if to_a_labels(other.spec.domain) == origin:
            problems.add(f"{path}.domain", f"is that of zones/{other.name} already: no two zones have the same")
    _check_name_servers(spec, origin, f"{path}.name_servers", problems)
    _check_foreign(name, spec, f"{path}.foreign", problems)


def _check_foreign(name: str, spec: ZoneSpec, path: str, problems: Problems) -> None:
    if len(spec.foreign) > MAX_FOREIGN:
        problems.add(path, f"has {len(spec.foreign)} entries; at most {MAX_FOREIGN} are accepted")
        return
    seen: dict[str, list[str]] = {}
    for index, one in enumerate(spec.foreign):
        here = f"{path}[{index}]"
        _check_where(one, here, problems)
        others = seen.setdefault(one.kind, [])
        if one.namespace in others or (others and "" in (*others, one.namespace)):
            problems.add(f"{here}.namespace", f"another entry looks for {one.kind} there, too: make one of the two")
        others.append(one.namespace)
        if one.dns.zone != name:
            problems.add(f"{here}.dns.zone", f"is {one.dns.zone}: leave it out, since names are given in this zone")
        else:
            problems.extend(_spelled(validate_settings(one.dns, [planned_zone(name, spec)], f"{here}.dns")))


def _check_where(one: ForeignObjects, path: str, problems: Problems) -> None:
    if one.kind not in FOREIGN_KINDS:
        problems.add(f"{path}.kind", f"'{one.kind[:100]}' is none of {', '.join(FOREIGN_KINDS)}")
    if one.namespace and (problem := dns_label_problem(one.namespace)) is not None:
        problems.add(f"{path}.namespace", problem)
    for place, cluster in enumerate(one.clusters):
        if (problem := dns_label_problem(cluster)) is not None:
            problems.add(f"{path}.clusters[{place}]", problem)
    try:
        if parse_label_selector(one.label_selector, f"{path}.label_selector") is None:
            problems.add(f"{path}.label_selector", "is missing: say which labels the objects have")
    except InvalidInputError as error:
        problems.extend(error.problems)


def _check_name_servers(spec: ZoneSpec, origin: str, path: str, problems: Problems) -> None:
    if len(spec.name_servers) > MAX_NAME_SERVERS:
        problems.add(path, f"has {len(spec.name_servers)} entries; at most {MAX_NAME_SERVERS} are accepted")
        return
    seen: set[str] = set()
    for index, server in enumerate(spec.name_servers):
        here = f"{path}[{index}]"
        try:
            host = to_a_labels(server.host)
        except ValueError as error:
            problems.add(f"{here}.host", str(error))
            continue
        if host in seen:
            problems.add(f"{here}.host", f"'{server.host}' stands here twice")
        seen.add(host)
        if host == origin:
            problems.add(f"{here}.host", "is the apex of the zone: give the name server a name of its own")
        if server.addresses and not is_within(host, origin):
            problems.add(f"{here}.addresses", f"are not the zone's to say: '{server.host}' is not within it")
        for place, address in enumerate(server.addresses):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                problems.add(f"{here}.addresses[{place}]", f"'{address[:100]}' is no IP address")


def check_dns(settings: DnsSettings, zones: Iterable[Zone], path: str, problems: Problems) -> None:
    """Note what is wrong with what a unit says of its names.

    Args:
        settings: as they were written.
        zones: that there are.
        path: where they stand.
        problems: gathers what is refused.
    """
    planned = [planned_zone(zone.name, zone.spec) for zone in zones]
    problems.extend(_spelled(validate_settings(settings, planned, path)))


def _spelled(found: Iterable[Problem]) -> list[Problem]:
    """The same with paths as the proto spells them."""
    return [
        Problem(
            path=_CLUSTER.sub(r'["\1"]', _WORD.sub(lambda word: _SPELLED[word[1]], problem.path)),
            message=problem.message,
        )
        for problem in found
    ]
