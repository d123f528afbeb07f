"""Change sets as they come, made comparable with what zones hold."""

from fedsvc_dns.providers import wire
from fedsvc_dns.providers.contract import ChangeSet, Reason, Refusal
from fedsvc_dns.records import RecordSet, normal_name


def canonical_changes(changes: ChangeSet) -> tuple[ChangeSet, tuple[Refusal, ...]]:
    """The change set in canonical form, without the names that have none, and these."""
    puts: list[RecordSet] = []
    bad: dict[str, Refusal] = {}
    for record_set in changes.puts:
        try:
            puts.append(wire.canonical(record_set))
        except ValueError as error:
            name = record_set.name
            bad[name] = Refusal(name=name, reason=Reason.INVALID, message=f"{name} {record_set.type}: {error}")
    for name, type_ in changes.deletes:
        try:
            normal_name(name)
            wire.type_number(type_)
        except ValueError as error:
            bad[name] = Refusal(name=name, reason=Reason.INVALID, message=f"{name} {type_}: {error}")
    kept = ChangeSet(
        fence=changes.fence,
        puts=tuple(record_set for record_set in puts if record_set.name not in bad),
        deletes=tuple(key for key in changes.deletes if key[0] not in bad),
    )
    return kept, tuple(bad.values())
