from collections.abc import Callable
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, start_name_server


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_name_server_serves_its_zones_to_signed_transfers(
    kind: Kind, tmp_path: Path, require: Callable[[str], None]
) -> None:
    zones = [HostedZone(origin="a.example."), HostedZone(origin="b.example.")]
    try:
        server = await start_name_server(kind, tmp_path, zones)
    except ConfigurationError as error:
        require(str(error))
        raise
    try:
        query = dns.message.make_query("b.example.", "AXFR")
        unsigned = await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=5)
        query.use_tsig({KEY.name: KEY}, KEY.name)
        signed = await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=5)
    finally:
        await server.stop()

    assert unsigned.rcode() in {dns.rcode.REFUSED, dns.rcode.NOTAUTH}
    assert signed.rcode() == dns.rcode.NOERROR
    assert signed.answer[0].name.to_text() == "b.example."
