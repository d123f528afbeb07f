"""What a name server did, as plain numbers that only grow: whoever wants metrics reads them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Counters:
    """Since the server was made.

    Attributes:
        udp_queries, tcp_queries: messages that were answered, or would have been but for the rate limit.
        rcodes: answers by rcode, those left out by the rate limit too.
        ignored: messages that must not be answered.
        truncated: answers that did not fit.
        rate_truncated, rate_dropped: answers over the rate limit, sent truncated or not at all.
        transfers: zones handed over whole.
        connections, connections_refused, connections_displaced: by TCP; the last gave way while they were idle.
        receive_failures, send_failures: datagrams that the network did not give or take.
        failures: answers that failed for a fault of the server's own.
        swaps: times that zones were replaced.
        keep_failures: times that the file of the last zones could not be written.
    """

    udp_queries: int = 0
    tcp_queries: int = 0
    rcodes: Counter[int] = field(default_factory=Counter)
    ignored: int = 0
    truncated: int = 0
    rate_truncated: int = 0
    rate_dropped: int = 0
    transfers: int = 0
    connections: int = 0
    connections_refused: int = 0
    connections_displaced: int = 0
    receive_failures: int = 0
    send_failures: int = 0
    failures: int = 0
    swaps: int = 0
    keep_failures: int = 0
