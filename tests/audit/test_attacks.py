"""A user who can write the files of the log, without the checkpoint key: nothing forged is signed, nothing stays unseen."""

import asyncio
import shutil
import time

import pytest

from governance.audit.entry import Entry, decode_entry, encode_entry
from governance.audit.log import open_worker_log
from governance.audit.merkle import leaf_hash
from governance.audit.stamp import Stamper
from governance.audit.verify import verify_log
from governance.errors import KeyUnavailableError, LogInconsistentError, NotReadyError
from governance.keys import generate_signing_key

KEY = generate_signing_key("ed25519")


def entry(number=0):
    return encode_entry(
        Entry(
            v=2, id=f"{number:032x}", time_us=number, duration_us=1, method="POST", route="/v2", action="infer",
            outcome="answered", reason=None, status=200, caller="demo", key_id="k", purpose=None, model="m", version="1",
            model_digest=None, items=1, policies=["p"], policy_digest=None, redactions={}, request=None, reply=None,
        )
    )  # fmt: skip


async def covers(log, size):
    """Wait until a checkpoint covers `size` entries."""
    while log._checkpoints.covered < size:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def fill(log, numbers):
    for number in numbers:
        await log.append(entry(number))
        await asyncio.sleep(0.005)


async def run(directory, count, *, kill=False, service="s", key=KEY, durability="process"):
    """Write entries; `kill` leaves the last of them without a checkpoint, as `kill -9` does."""
    log, lock = open_worker_log(directory, service, key, durability=durability, checkpoint_seconds=1000.0)
    first = log._tree.size
    for number in range(count):
        await log.append(entry(first + number))
        if kill and number == 0:
            await asyncio.to_thread(log._checkpoints.close)  # the checkpoint over the first entry is written
    if kill:
        log._timer.cancel()
        for file in (log._entries, log._leaves, log._checkpoints.file):
            file.close()
    else:
        await log.close()
    lock.close()
    return log


@pytest.fixture
def folder(tmp_path):
    """A log of five entries of which a checkpoint covers one, as after `kill -9`."""
    asyncio.run(run(tmp_path, 5, kill=True))
    return tmp_path / "worker-0"


def reopen(folder, **options):
    return asyncio.run(run(folder.parent, 1, **options))


def lines(folder):
    return (folder / "entries.jsonl").read_bytes().splitlines(keepends=True)


def forged(folder):
    return {
        "an entry without a stamp": entry(5) + b"\n",
        "an entry with a stamp of another key": Stamper(generate_signing_key("ed25519"), "s").stamp(5, entry(5))
        + b"\n",
        "an authentic entry again": lines(folder)[-1],
        "junk": b"junk\n",
        "junk without an end": b"junk",
        "an empty line": b"\n",
        "bytes": bytes(range(11, 256)) + b"\n",
        "half an entry": lines(folder)[-1][:40],
        "an entry that is not canonical": lines(folder)[-1].replace(b'"v":2', b'"v": 2'),
    }


@pytest.mark.parametrize("what", [
    "an entry without a stamp", "an entry with a stamp of another key", "an authentic entry again", "junk",
    "junk without an end", "an empty line", "bytes", "half an entry", "an entry that is not canonical",
])  # fmt: skip
def test_audit_log_forged_tail_is_set_aside_and_never_signed(folder, what):
    written, tail = lines(folder), forged(folder)[what]
    with (folder / "entries.jsonl").open("ab") as stream:
        stream.write(tail)
    log = reopen(folder)
    assert (log.recovered, log.aside) == (4, 1)
    assert lines(folder)[:5] == written and len(lines(folder)) == 6
    assert (folder / "aside-0").read_bytes() == tail
    assert verify_log(folder, KEY.public_key).entries == 6


@pytest.mark.parametrize("place", range(1, 6))
def test_audit_log_forged_entry_between_authentic_ones_is_set_aside_and_they_are_kept(folder, place):
    written = lines(folder)
    (folder / "entries.jsonl").write_bytes(b"".join([*written[:place], entry(9) + b"\n", *written[place:]]))
    log = reopen(folder)
    assert (log.recovered, log.aside) == (4, 1) and lines(folder)[:5] == written


def test_audit_log_changed_entry_before_its_checkpoint_is_not_signed(folder):
    written = lines(folder)
    (folder / "entries.jsonl").write_bytes(b"".join([*written[:3], written[3].replace(b"demo", b"dema"), written[4]]))
    log = reopen(folder)
    assert (log.recovered, log.aside) == (2, 2) and (folder / "aside-0").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("tail", [b"junk\n", b"junk\n" * 5, b"s\n9\nAAAA\n\nx\n", b"half"])
def test_audit_log_junk_behind_its_checkpoints_does_not_end_it(folder, tail):
    with (folder / "checkpoints").open("ab") as stream:
        stream.write(tail)
    assert reopen(folder).recovered == 4
    assert verify_log(folder, KEY.public_key).entries == 6


def test_audit_log_says_what_no_checkpoint_covers(folder):
    assert verify_log(folder, KEY.public_key).uncovered == 4


def test_audit_log_stamp_is_bound_to_key_log_and_place():
    stamper = Stamper(KEY, "s/worker-0/a/1")
    stamped = stamper.stamp(3, entry())
    assert stamper.verify(3, stamped) == entry() and decode_entry(stamped).stamp
    for other, index in ((stamper, 4), (Stamper(KEY, "s/worker-0/b/1"), 3), (Stamper(generate_signing_key("ed25519"), "s/worker-0/a/1"), 3)):  # fmt: skip
        with pytest.raises(LogInconsistentError):
            other.verify(index, stamped)


@pytest.mark.parametrize(("service", "name"), [("s", "worker-1"), ("production", "worker-0")])
def test_audit_log_of_another_worker_or_service_is_refused_at_the_start_and_by_verify(folder, tmp_path, service, name):
    asyncio.run(run(tmp_path / "other", 3, service="s"))
    target = tmp_path / "here" / name
    shutil.copytree(tmp_path / "other/worker-0", target)
    (tmp_path / "here/worker-0").mkdir(exist_ok=True)
    if name != "worker-0":
        with pytest.raises(LogInconsistentError, match="of a folder named"):
            verify_log(target, KEY.public_key)
        held = open_worker_log(tmp_path / "here", service, KEY, durability="process", checkpoint_seconds=9.0)
    with pytest.raises(LogInconsistentError, match="this is the log"):
        open_worker_log(tmp_path / "here", service, KEY, durability="process", checkpoint_seconds=9.0)
    if name != "worker-0":
        asyncio.run(held[0].close())
        held[1].close()


def test_audit_verify_refuses_checkpoints_of_two_logs_in_one_file(folder, tmp_path):
    asyncio.run(run(tmp_path / "other", 9))
    with (folder / "checkpoints").open("ab") as stream:
        stream.write((tmp_path / "other/worker-0/checkpoints").read_bytes())
    with pytest.raises(LogInconsistentError, match="mixed"):
        verify_log(folder, KEY.public_key)


def remove(folder):
    shutil.rmtree(folder)


def move(folder):
    folder.rename(folder.with_name("moved"))


def cut(folder):
    (folder / "entries.jsonl").write_bytes(b"".join(lines(folder)[:-1]))


def extend(folder):
    with (folder / "entries.jsonl").open("ab") as stream:
        stream.write(entry(7) + b"\n")


def edit(folder):
    content = (folder / "entries.jsonl").read_bytes()
    with (folder / "entries.jsonl").open("r+b") as stream:
        stream.seek(content.rindex(b"demo"))
        stream.write(b"dema")


def replace(folder):
    copy = folder / "copy"
    shutil.copy(folder / "entries.jsonl", copy)
    copy.rename(folder / "entries.jsonl")


def drop_checkpoints(folder):
    (folder / "checkpoints").write_bytes(b"")


@pytest.mark.parametrize("attack", [remove, move, cut, extend, edit, replace, drop_checkpoints])
@pytest.mark.parametrize("durability", ["process", "group"])
async def test_audit_log_that_is_changed_while_it_runs_accepts_no_entry_any_more(tmp_path, attack, durability):
    log, lock = open_worker_log(tmp_path, "s", KEY, durability=durability, checkpoint_seconds=0.02)
    size = 0
    while log._checkpoints.covered < 3:
        await log.append(entry(size))
        size += 1
        await asyncio.sleep(0.005)
    await covers(log, size)
    log._checkpoint_due_at = float("inf")
    await log.append(entry(size))
    attack(tmp_path / "worker-0")
    log._checkpoint_due_at = 0.0
    with pytest.raises(NotReadyError):
        await fill(log, range(size + 1, size + 500))
    assert log.is_shut and log.failures
    await log.close()
    lock.close()


class Service:
    """A key service that can be absent."""

    def __init__(self):
        self.public_key, self.works, self.asked = KEY.public_key, True, 0

    def sign(self, message):
        self.asked += 1
        if not self.works:
            raise KeyUnavailableError("the key service does not answer")
        return KEY.sign(message)


@pytest.mark.parametrize("durability", ["process", "group"])
async def test_audit_log_answers_while_the_key_service_is_away_and_makes_up_for_its_checkpoints(tmp_path, durability):
    service = Service()
    log, lock = open_worker_log(tmp_path, "s", service, durability=durability, checkpoint_seconds=0.01)
    service.works = False
    asked, count = service.asked, 0
    while service.asked < asked + 3:
        await asyncio.gather(*(log.append(entry(count + place)) for place in range(20)))
        count += 20
        await asyncio.sleep(0.005)
    assert log.checkpoint_failures >= 2 and not log.is_shut
    assert verify_log(tmp_path / "worker-0", KEY.public_key).uncovered == count
    service.works = True
    await covers(log, count)
    assert verify_log(tmp_path / "worker-0", KEY.public_key).uncovered == 0
    service.works = False
    await log.append(entry(count))
    await log.close()
    lock.close()
    assert (await run(tmp_path, 0)).recovered == 1


async def test_audit_log_answers_while_the_key_service_hangs(tmp_path):
    service = Service()
    log, lock = open_worker_log(tmp_path, "s", service, durability="group", checkpoint_seconds=0.0)
    sign = service.sign
    service.sign = lambda message: (time.sleep(0.3), sign(message))[1]
    for number in range(30):
        await log.append(entry(number))
    assert log._checkpoints.covered <= 1
    await log.close()
    lock.close()
    assert verify_log(tmp_path / "worker-0", KEY.public_key).uncovered == 0


def test_audit_log_of_format_1_still_verifies_and_goes_on(tmp_path):
    """Entries without stamps and an origin without an id, as the first version wrote them."""
    from governance.audit.checkpoint import Checkpoint, sign_checkpoint
    from governance.audit.merkle import root_of

    folder = tmp_path / "worker-0"
    folder.mkdir()
    old = [entry(number).replace(b'"v":2', b'"v":1') for number in range(3)]
    (folder / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in old))
    (folder / "leaves").write_bytes(b"".join(map(leaf_hash, old)))
    note = sign_checkpoint(Checkpoint("s/worker-0", 3, root_of(list(map(leaf_hash, old)))), KEY)
    (folder / "checkpoints").write_text(note)
    assert verify_log(folder, KEY.public_key).entries == 3
    assert reopen(folder).origin == "s/worker-0"
    assert verify_log(folder, KEY.public_key).entries == 4
    assert lines(folder)[:3] == [line + b"\n" for line in old]
