"""The kill switch: signed; removing, damaging or rolling back its file does not resume a model."""

from datetime import UTC, datetime

import pytest

from governance.access.stop import ALL, KillSwitch, StopOrder, StopOrders, read_orders, write_orders
from governance.errors import ConfigurationError, SignatureError, StoppedError
from governance.keys import generate_signing_key

KEY, STRANGER = generate_signing_key(), generate_signing_key()
STOP = StopOrder("wrong answers", "2026-01-01T00:00:00Z")


@pytest.fixture
def file(tmp_path):
    write_orders(tmp_path / "stop.json", StopOrders("s").without(ALL, "fixed"), KEY)
    return tmp_path / "stop.json"


@pytest.fixture
def board(file):
    board = KillSwitch(file, [KEY.public_key], "s", lambda: datetime(2026, 1, 2, tzinfo=UTC))
    board.load()
    return board


def stopped(board, model):
    try:
        board.verify(model)
    except StoppedError:
        return True
    return False


def test_stop_refuses_the_stopped_model_only(board, file):
    assert not stopped(board, "m") and not stopped(board, None)
    write_orders(file, board.orders.with_stop("m", STOP), KEY)
    assert board.reload() == {"m": STOP}
    assert stopped(board, "m") and not stopped(board, "n") and not stopped(board, None)
    assert board.reload() == {}
    write_orders(file, board.orders.without("m", "fixed"), KEY)
    assert board.reload() == {"m": None}
    assert not stopped(board, "m")


def test_stop_all_stops_every_model_and_resume_all_resumes_each(board, file):
    write_orders(file, board.orders.with_stop("m", STOP).with_stop(ALL, STOP), KEY)
    board.reload()
    assert stopped(board, "n") and stopped(board, None)
    write_orders(file, board.orders.without(ALL, "fixed"), KEY)
    board.reload()
    assert not stopped(board, "m") and not stopped(board, "n")


@pytest.mark.parametrize("harm", ["remove", "garble", "stranger", "older", "empty"])
def test_stop_file_that_cannot_be_verified_stops_all_models(board, file, harm):
    write_orders(file, board.orders.with_stop("m", STOP), KEY)
    board.reload()
    if harm == "remove":
        file.unlink()
    elif harm == "garble":
        file.write_bytes(file.read_bytes().replace(b"payload", b"payloaf", 1))
    elif harm == "stranger":
        write_orders(file, board.orders.without("m", "fixed"), STRANGER)
    elif harm == "older":
        write_orders(file, StopOrders("s", 1, {}), KEY)
    else:
        file.write_bytes(b"")
    assert set(board.reload()) == {ALL}
    assert stopped(board, "n")
    write_orders(file, board.accepted.without(ALL, "fixed"), KEY)
    assert board.reload() == {ALL: None, "m": None}
    assert not stopped(board, "m")


def test_stop_file_that_is_missing_stops_the_start(tmp_path, file):
    absent = KillSwitch(tmp_path / "absent", [KEY.public_key], "s", lambda: datetime.now(UTC))
    with pytest.raises(ConfigurationError, match="resume ALL"):
        absent.load()
    with pytest.raises(SignatureError):
        KillSwitch(file, [STRANGER.public_key], "s", lambda: datetime.now(UTC)).load()


@pytest.mark.parametrize(
    ("model", "reason"), [("", "x"), ("a b", "x"), ("m", ""), ("m", "a\nb"), ("m", "ü"), ("m", "x" * 201)]
)
def test_stop_order_with_unsafe_text_is_not_written(model, reason):
    with pytest.raises(ConfigurationError):
        StopOrders("s").with_stop(model, StopOrder(reason, "now"))
    with pytest.raises(ConfigurationError):
        StopOrders("s").without(model, reason)


def test_stop_file_refuses_signatures_of_other_payload_types(tmp_path):
    from governance.access.stop import PAYLOAD_TYPE
    from governance.keys.dsse import sign_document

    for document in (
        {},
        {"service": "s", "sequence": 1, "previous": "", "stopped": {}},
        {"service": "s", "sequence": True, "previous": "", "stopped": {}, "reason": ""},
        {"service": "s", "sequence": 0, "previous": "", "stopped": {}, "reason": ""},
        {"service": "s", "sequence": 1, "previous": "", "stopped": [], "reason": ""},
        {"service": "s", "sequence": 1, "previous": "", "stopped": {"m": 1}, "reason": ""},
        {"sequence": 1, "previous": "", "stopped": {}, "reason": ""},
    ):
        (tmp_path / "x").write_bytes(sign_document(document, PAYLOAD_TYPE, KEY))
        with pytest.raises(SignatureError):
            read_orders(tmp_path / "x", [KEY.public_key], "s")
    (tmp_path / "x").write_bytes(sign_document({"sequence": 1, "stopped": {}}, "application/other", KEY))
    with pytest.raises(SignatureError):
        read_orders(tmp_path / "x", [KEY.public_key], "s")


def test_stop_file_of_another_service_with_the_same_key_lifts_no_stop(board, file):
    write_orders(file, board.orders.with_stop("m", STOP), KEY)
    board.reload()
    write_orders(file, StopOrders("staging", 8, {}, "fixed"), KEY)
    assert set(board.reload()) == {ALL} and stopped(board, "m") and stopped(board, "n")
    with pytest.raises(SignatureError, match="not for the service 's'"):
        KillSwitch(file, [KEY.public_key], "s", lambda: datetime.now(UTC)).load()


def test_stop_orders_with_one_sequence_number_lose_no_stop(board, file):
    first, second = board.orders.with_stop("m", STOP), board.orders.with_stop("n", STOP)
    write_orders(file, first, KEY)
    board.reload()
    for lost in (second, second.with_stop("o", STOP)):
        write_orders(file, lost, KEY)
        board.reload()
        assert stopped(board, "m") and stopped(board, "n") and stopped(board, "p")
    write_orders(file, first.with_stop("n", STOP), KEY)
    board.reload()
    assert stopped(board, "m") and stopped(board, "n") and not stopped(board, "p")


def test_stop_order_names_its_key(board):
    assert board.accepted.signer == KEY.public_key.fingerprint
