"""What the gRPC edge counts and measures, for Prometheus."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CALLS: Final = Counter("fedsvc_grpc_calls", "Calls that ended, by method and status code.", ["method", "code"])
CALL_SECONDS: Final = Histogram(
    "fedsvc_grpc_call_seconds",
    "From the arrival of a unary call to its answer.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STREAMS: Final = Gauge("fedsvc_grpc_streams", "Streams that are open.", ["method"])
WATCH_CHANGES: Final = Counter("fedsvc_watch_changes", "Changes sent to watchers.")
