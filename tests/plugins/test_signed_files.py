"""Signed files that go back: the audit log has their heads, so an older copy is refused, at a start too."""

import json
import shutil

import pytest

from governance.access.stop import ALL, StopOrder, StopOrders, write_orders
from governance.artifacts.trust.rollback import FILE, RollbackFloors
from governance.audit.heads import unverified_file_head
from governance.errors import RollbackError
from governance.gate.pipeline import Pipeline
from governance.keys import generate_signing_key
from governance.plugins.audit import AuditPlugin
from governance.plugins.stop import StopPlugin
from governance.settings import Settings

STOP = StopOrder("wrong answers", "2026-01-01T00:00:00Z")


class Service:
    def __init__(self, folder):
        self.folder, self.keys = folder, {"checkpoint": generate_signing_key("ed25519"), "stop": generate_signing_key()}
        for name, key in self.keys.items():
            (folder / f"{name}.key").write_bytes(key.to_pem())
            (folder / f"{name}.key").chmod(0o600)
        (folder / "officer.key.pub").write_bytes(self.keys["stop"].public_key.pem)
        self.file = folder / "stop.json"
        self.settings = Settings.model_validate({
            "service": {"name": "s"},
            "audit": {"directory": folder / "audit", "checkpoint_key": f"file:{folder}/checkpoint.key"},
            "stop": {"file": self.file, "trusted_keys": [folder / "officer.key.pub"]},
        })  # fmt: skip

    def write(self, orders):
        write_orders(self.file, orders, self.keys["stop"])
        return orders

    async def run(self):
        pipeline = Pipeline([AuditPlugin(self.settings), StopPlugin(self.settings)])
        await pipeline.open()
        await pipeline.close()

    def events(self, action):
        lines = (self.folder / "audit/worker-0/entries.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["action"] == action]


@pytest.fixture
def service(tmp_path):
    return Service(tmp_path)


async def test_older_stop_file_is_refused_at_a_start_and_recorded(service):
    first = service.write(StopOrders("s").without(ALL, "first start"))
    await service.run()
    service.write(first.with_stop("m", STOP))
    await service.run()
    service.write(first)
    with pytest.raises(RollbackError, match="has version 1, and the audit log had 2"):
        await service.run()
    refused = service.events("stop-orders")[-1]
    assert refused["reason"] == "refused" and refused["head"].startswith("stop 1 ")
    service.write(first.with_stop("m", STOP).with_stop(ALL, STOP))
    await service.run()


async def test_other_stop_file_with_the_same_number_is_refused_at_a_start(service):
    first = service.write(StopOrders("s").without(ALL, "first start"))
    service.write(first.with_stop("m", STOP))
    await service.run()
    service.write(first.with_stop("n", STOP))
    with pytest.raises(RollbackError, match="another version 2"):
        await service.run()


async def test_stop_event_says_who_ordered_it(service):
    service.write(StopOrders("s").with_stop("m", STOP))
    await service.run()
    (event,) = service.events("stop")
    fingerprint = service.keys["stop"].public_key.fingerprint
    assert (event["caller"], event["key_id"], event["model"], event["detail"]) == ("officer", fingerprint, "m", "wrong answers")  # fmt: skip


async def test_older_copy_of_the_floors_is_refused_at_a_start(service, tmp_path):
    service.write(StopOrders("s").without(ALL, "first start"))
    floors = RollbackFloors(tmp_path / "audit", service.keys["checkpoint"], "s")
    floors.raise_to({"m": 3})
    shutil.copy(tmp_path / "audit" / FILE, tmp_path / "old")
    floors.raise_to({"m": 7})
    await service.run()
    shutil.copy(tmp_path / "old", tmp_path / "audit" / FILE)
    with pytest.raises(RollbackError, match="'floors' has version 1, and the audit log had 2"):
        await service.run()


async def test_newest_head_of_a_file_is_found_in_all_logs(service, tmp_path):
    assert unverified_file_head(tmp_path / "audit", "stop") is None
    orders = service.write(StopOrders("s").without(ALL, "first start"))
    await service.run()
    newer = service.write(orders.with_stop("m", STOP))
    await service.run()
    found = unverified_file_head(tmp_path / "audit", "stop")
    assert (found.sequence, found.digest) == (2, newer.digest)
