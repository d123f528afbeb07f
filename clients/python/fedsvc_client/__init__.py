"""The client library of fedsvc: `AsyncClient` for asyncio, `Client` for everybody else.

Messages are those of the wire (`fedsvc.v1`). Start at `_client.py`; how calls are made is in `_calls.py`, how changes
are followed in `_watch.py`. Only the names below are promised.
"""

from fedsvc_client._blocking import Client, Watch
from fedsvc_client._calls import Retries
from fedsvc_client._client import AsyncClient
from fedsvc_client._config import Configuration, Server, default_config_path, load_config, parse_address
from fedsvc_client._errors import (
    AlreadyExistsError,
    Answer,
    ConfigurationError,
    ConflictError,
    DeadlineError,
    FedsvcError,
    FieldProblem,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ResourceExhaustedError,
    ResumeTokenExpiredError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    WaitTimeoutError,
)
from fedsvc_client._goals import Goal
from fedsvc_client._watch import AsyncWatch, Kind, Resynced, Synced, WatchItem
from fedsvc_client.names import cluster_name, split_unit_name, unit_name

__all__ = [
    "AlreadyExistsError",
    "Answer",
    "AsyncClient",
    "AsyncWatch",
    "Client",
    "Configuration",
    "ConfigurationError",
    "ConflictError",
    "DeadlineError",
    "FedsvcError",
    "FieldProblem",
    "Goal",
    "InternalError",
    "InvalidArgumentError",
    "Kind",
    "NotFoundError",
    "PermissionDeniedError",
    "PreconditionError",
    "ResourceExhaustedError",
    "ResumeTokenExpiredError",
    "Resynced",
    "Retries",
    "Server",
    "Synced",
    "UnauthenticatedError",
    "UnavailableError",
    "UnsupportedError",
    "WaitTimeoutError",
    "Watch",
    "WatchItem",
    "cluster_name",
    "default_config_path",
    "load_config",
    "parse_address",
    "split_unit_name",
    "unit_name",
]
