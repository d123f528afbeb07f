"""What `examples/` promises a newcomer."""

from pathlib import Path
from typing import Any

import pytest

from fedsvc.simulator.controllers import networking

SHOP = Path(__file__).parents[2] / "examples" / "shop.yaml"


async def test_the_shop_becomes_ready_where_nothing_gives_addresses(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networking, "_balance", lambda *_, **__: None)
    joined = await town.join("a", "--label", "tier=prod")
    assert joined.exit_code == 0, joined.stderr
    applied = await town.fedctl("apply", "-f", str(SHOP), "--wait", "--timeout", "30s")
    assert applied.exit_code == 0, applied.stderr
    assert "unit/shop/shop is ready" in applied.stdout
