"""The origin of an audit log: each replica of a service has its own log with its own name."""

import pytest
from pydantic import ValidationError

from governance.audit.log_files import logs_below
from governance.audit.origin import Origin
from governance.audit.verify import verify_log
from governance.keys import generate_signing_key
from governance.plugins.audit import AuditPlugin
from governance.settings import Settings


def settings(folder, **audit):
    section = {"directory": folder / "audit", "checkpoint_key": f"file:{folder}/checkpoint.key", **audit}
    return Settings.model_validate({"service": {"name": "digits"}, "audit": section})


@pytest.fixture
def keyed(tmp_path):
    key = generate_signing_key("ed25519")
    (tmp_path / "checkpoint.key").write_bytes(key.to_pem())
    (tmp_path / "checkpoint.key").chmod(0o600)
    return tmp_path, key.public_key


@pytest.mark.parametrize(
    ("audit", "origin"), [({}, "digits/worker-0"), ({"origin": "ml/digits-1"}, "ml/digits-1/worker-0")]
)
async def test_audit_origin_is_the_service_or_the_configured_replica(keyed, audit, origin):
    folder, key = keyed
    plugin = AuditPlugin(settings(folder, **audit))
    await plugin.open()
    await plugin.close()
    (log,) = logs_below(folder / "audit")
    found = Origin.parse(verify_log(log, key).origin)
    assert (f"{found.owner}/{found.folder}", found.epoch) == (origin, 1)


@pytest.mark.parametrize("origin", ["", "/x", "a b", "a;b", "a\nb", "x" * 161])
def test_audit_origin_that_does_not_fit_a_receipt_is_refused(tmp_path, origin):
    with pytest.raises(ValidationError):
        settings(tmp_path, origin=origin)
