"""What further routers are told."""

from __future__ import annotations

from pathlib import Path

import msgspec

from paddock.router.process import RouterOrders
from paddock.router.settings import RouterSettings
from paddock.server.data_dir import KeyPair
from paddock.server.routers import router_orders
from paddock.server.settings import load_settings


def test_further_routers_are_told_what_the_operator_set(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("router_refusals_per_call: 3\nrouter_rest_seconds: 0.5\n")
    environ = {"PADDOCK_ROUTER_RETRY_AFTER_SECONDS": "4", "PADDOCK_CLOSE_SECONDS": "60"}
    settings = load_settings({"data_dir": tmp_path}, environ)

    orders = router_orders(settings, KeyPair("AKIA", "secret"), 4600, "s-1", tmp_path)

    assert orders.settings == RouterSettings(refusals_per_call=3, rest_seconds=0.5, retry_after_seconds=4)
    assert orders.close_seconds == 60.0
    assert msgspec.json.decode(msgspec.json.encode(orders), type=RouterOrders) == orders
