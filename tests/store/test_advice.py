import asyncio
import errno
import socket

import pytest
from asyncpg.exceptions import InvalidCatalogNameError, InvalidPasswordError, TooManyConnectionsError

from fedsvc.errors import StoreUnavailableError
from fedsvc.store.advice import why
from fedsvc.store.database import Database


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(InvalidCatalogNameError('database "x" does not exist'), "createdb", id="no database"),
        pytest.param(
            InvalidPasswordError("password authentication failed"), "mend the user or the password", id="password"
        ),
        pytest.param(socket.gaierror(-2, "Name or service not known"), "the host name is not known", id="host"),
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "nothing listens", id="port"),
        pytest.param(
            OSError("Multiple exceptions: [Errno 111] Connect call failed"), "nothing listens", id="addresses"
        ),
        pytest.param(TimeoutError(), "no answer in time", id="silence"),
        pytest.param(TooManyConnectionsError("sorry, too many clients"), "sorry, too many clients", id="others"),
    ],
)
def test_what_keeps_a_connection_from_being_made_is_told_with_a_way_out(error: BaseException, told: str) -> None:
    assert told in why(error)


async def test_a_host_whose_name_is_not_known_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    database = Database("postgresql://u:hunter2@db.invalid/x")
    with pytest.raises(StoreUnavailableError, match="does not answer: the host name is not known"):
        await database.version()
    await database.close()
