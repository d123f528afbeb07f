"""What clusters cost by the hour: decimals for people, whole millionths of the fleet's currency in the API."""

from decimal import Decimal, InvalidOperation
from typing import Final

from fedctl.failures import UsageFailure
from fedsvc.v1 import cluster_pb2

MICROS: Final = 1_000_000
_MOST: Final = 1_000_000  # an hour of a core; what is dearer is a slip of the keyboard


def read_price(text: str, what: str) -> int:
    """Read a price such as 0.031; return millionths.

    Raises:
        UsageFailure: It is none, is below 0, or has more digits than are kept; the message begins with `what`.
    """
    try:
        micros = Decimal(text) * MICROS
    except InvalidOperation:
        micros = Decimal("NaN")
    if not micros.is_finite() or not 0 <= micros <= _MOST * MICROS:
        raise UsageFailure(f"{what} {text!r}: write a price by the hour from 0 to {_MOST}, such as 0.031")
    if micros != micros.to_integral_value():
        raise UsageFailure(f"{what} {text!r}: a price has at most six digits after the point")
    return int(micros)


def price_text(micros: int) -> str:
    """Write millionths as a decimal: 0.031."""
    whole, rest = divmod(micros, MICROS)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def cost_text(cluster: cluster_pb2.Cluster) -> str:
    """Write what a core and a GiB of memory cost, as 0.031/0.004; empty where that is unknown."""
    if not cluster.HasField("cost"):
        return ""
    return f"{price_text(cluster.cost.micros_per_core)}/{price_text(cluster.cost.micros_per_gib)}"


def put_cost(cluster: cluster_pb2.Cluster, *, core_micros: int | None, gib_micros: int | None) -> None:
    """Set what is given; what is not given stays, and is 0 where nothing was known."""
    if core_micros is not None:
        cluster.cost.micros_per_core = core_micros
    if gib_micros is not None:
        cluster.cost.micros_per_gib = gib_micros
    if core_micros is not None or gib_micros is not None:
        cluster.cost.SetInParent()  # a price of 0 is a price
