"""What the tables have in common: where they are gathered, how constraints are named, and the usual columns."""

from sqlalchemy import Column, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def time_column(name: str, *, nullable: bool = False) -> Column[object]:
    """A moment; where it is not null, that of the insertion by default."""
    default = None if nullable else text("now()")
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=default)


def json_column(name: str, default: str = "{}") -> Column[object]:
    """Plain JSON values, never null."""
    return Column(name, JSONB, nullable=False, server_default=text(f"'{default}'::jsonb"))


def text_column(name: str) -> Column[str]:
    """A text, never null."""
    return Column(name, Text, nullable=False, server_default=text("''"))
