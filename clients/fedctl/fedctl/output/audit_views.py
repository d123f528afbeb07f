"""The audit as a table; pure."""

from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, unit_text, utc_now
from fedsvc.v1 import audit_pb2

_KINDS = audit_pb2.AuditKind.DESCRIPTOR
_OUTCOMES = audit_pb2.AuditOutcome.DESCRIPTOR
AUTOMATION = "automation"


def records(now: Now = utc_now) -> Table[audit_pb2.AuditRecord]:
    """Make the table of records."""
    return Table(
        columns=(
            Column(title="LAST", text=lambda row: words.age(row.update_time, now())),
            Column(title="KIND", text=lambda row: words.enum_word(_KINDS, row.kind)),
            Column(title="OUTCOME", text=outcome_text, style=words.style_of),
            Column(title="UNIT", text=_units, is_long=True),
            Column(title="WHERE", text=_where),
            Column(title="REASON", text=lambda row: row.reason),
            Column(title="BY", text=lambda row: row.author or AUTOMATION),
            Column(title="TIMES", text=lambda row: str(row.count), is_wide=True),
            Column(title="FIRST", text=lambda row: words.age(row.create_time, now()), is_wide=True),
            Column(title="REVISION", text=lambda row: str(row.revision or words.NONE), is_wide=True),
            Column(title="EPOCH", text=lambda row: str(row.epoch or words.NONE), is_wide=True),
            Column(title="ID", text=lambda row: row.name.removeprefix("audit/"), is_wide=True),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True),
        )
    )


def outcome_text(row: audit_pb2.AuditRecord) -> str:
    """Write Did, Refused, or Refuses where that lasts."""
    if row.outcome == audit_pb2.AUDIT_OUTCOME_REFUSED and not row.HasField("end_time"):
        return "Refuses"
    return words.enum_word(_OUTCOMES, row.outcome)


def _units(row: audit_pb2.AuditRecord) -> str:
    if row.unit:
        return unit_text(row.unit)
    return words.count(row.unit_count, "unit") if row.unit_count else words.NONE


def _where(row: audit_pb2.AuditRecord) -> str:
    if row.cluster:
        return row.cluster
    if row.region:
        return f"region/{row.region}"
    return words.NONE if row.unit else "fleet"
