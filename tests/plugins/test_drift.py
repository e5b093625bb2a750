"""The drift plugin: it counts answered items, shares counts between workers, and never delays or fails a reply."""

import logging

import numpy as np
import pytest

from governance.contract.exchange import Reply
from governance.contract.facts import Inference
from governance.contract.models import ModelLoad
from governance.contract.routes import RouteTable
from governance.drift.learning import learn
from governance.errors import ConfigurationError, ForbiddenError, ManifestMismatchError
from governance.gate.pipeline import Pipeline
from governance.oip.routes import oip_routes
from governance.plugins.drift import DriftPlugin
from governance.settings import Settings, load_settings
from governance.testing import make_exchange

ROUTES = RouteTable(oip_routes(10_000))
CARD = {
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "note", "datatype": "BYTES", "shape": [-1]},
    ],
    "outputs": [{"name": "p", "datatype": "FP32", "shape": [-1, 2]}],
    "classes": ["a", "b"],
}
SUBJECTS = ["x-0", "x-1", "note.length", "class", "confidence", "entropy"]


def batch(items, seed=0, shift=0.0):
    generator = np.random.default_rng(seed)
    p = generator.random(items)
    note = np.array(["word " * int(n) for n in generator.integers(1, 9, items)], object)
    x = generator.normal(shift, size=(items, 2)).astype(np.float32)
    return {"x": x, "note": note}, {"p": np.stack([p, 1 - p], 1).astype(np.float32)}


PROFILE = learn(CARD, *batch(500)).encode()


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def load_of(profile=PROFILE, card=CARD, model="m"):
    return ModelLoad(model, "1", "cpu", True, False, 0.1, card, profile)


class Worker:
    """The drift plugin of one worker, in its own pipeline."""

    def __init__(self, directory=None, **changes):
        section = {"refresh_seconds": 60, **({} if directory is None else {"directory": directory}), **changes}
        self.clock = Clock()
        settings = Settings.model_validate({"service": {"name": "s"}, "drift": section})
        self.plugin = DriftPlugin(settings, self.clock, lambda: np.random.default_rng(7))
        self.pipeline = Pipeline([self.plugin])

    async def start(self, load=None):
        await self.pipeline.open()
        self.pipeline.introduce([load or load_of()])
        return self

    async def call(self, inputs=None, outputs=None, model="m", refuse=False):
        match = ROUTES.match("POST", f"/v2/models/{model}/infer")

        async def answer(exchange):
            if inputs is not None:
                exchange.put(Inference(model, inputs, outputs))
            if refuse:
                raise ForbiddenError("no")
            return Reply(200, (), (b"answer",))

        exchange = make_exchange(route=match.route, model=model)
        return await self.pipeline.around(answer)(exchange)

    async def see(self, items, seed=0, shift=0.0):
        for start in range(0, items, 10):
            await self.call(*batch(10, 1000 * seed + start + 1, shift))
        await self.plugin.refresh()

    @property
    def numbers(self):
        return {(number.name, *number.labels): number.value for number in self.pipeline.measurements()}


async def test_drift_plugin_measurements_have_the_names_of_the_metric_table():
    worker = await Worker().start()
    await worker.see(300)
    numbers = worker.numbers
    await worker.pipeline.close()
    assert numbers["drift_window_items", "m"] == 300
    assert numbers["drift_state", "m"] == 0
    for subject in SUBJECTS:
        assert 0 < numbers["drift_psi", "m", subject] < 0.2
        assert 0 < numbers["drift_chi2_p", "m", subject] <= 1
        assert numbers["drift_missing_ratio", "m", subject] == 0
        assert 0 <= numbers["drift_out_of_range_ratio", "m", subject] < 0.05
        assert (("drift_ks", "m", subject) in numbers) == (subject != "class")
    assert not any("failures" in key[0] for key in numbers)


async def test_drift_plugin_reports_shifted_input_by_subject():
    worker = await Worker().start()
    await worker.see(300, shift=1.0)
    summary = worker.plugin.summary()["m"]
    await worker.pipeline.close()
    assert summary["state"] == "drifted" and worker.numbers["drift_state", "m"] == 2
    raised = [row["subject"] for row in summary["subjects"] if row["state"] != "steady"]
    assert raised == ["x-0", "x-1"]


async def test_drift_plugin_reports_nothing_for_too_few_items():
    worker = await Worker().start()
    await worker.see(190, shift=5.0)
    assert worker.numbers["drift_window_items", "m"] == 190
    assert worker.numbers["drift_state", "m"] == 0 and worker.numbers["drift_psi", "m", "x-0"] == 0
    assert not worker.plugin.summary()["m"]["enough_items"]
    await worker.pipeline.close()


async def test_drift_plugin_ignores_refused_requests_and_other_models():
    worker = await Worker().start()
    with pytest.raises(ForbiddenError):
        await worker.call(*batch(10), refuse=True)
    await worker.call()
    await worker.call(*batch(10), model="another")
    await worker.plugin.refresh()
    assert worker.numbers["drift_window_items", "m"] == 0
    await worker.pipeline.close()


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"x": np.zeros((3, 2), np.float32)},
        {"x": np.zeros((3, 1), np.float32), "note": np.array(["", "", ""], object)},
        {"x": np.array([[None, 1]], object), "note": np.array(["Zacharias Canary"], object)},
        {"x": None, "note": None},
        {"x": np.zeros((2, 2), complex), "note": np.array([None, None], object)},
    ],
)
async def test_drift_plugin_error_is_counted_and_the_reply_is_sent(inputs, caplog):
    worker = await Worker().start()
    for _ in range(70):
        reply = await worker.call(inputs, batch(3)[1])
        assert reply.status == 200
    await worker.plugin.refresh()
    assert worker.numbers["drift_failures_total", "m"] >= 1
    assert 1 <= len(caplog.records) <= 2
    assert "Canary" not in caplog.text and "could not be counted" in caplog.text
    await worker.see(200)
    assert worker.numbers["drift_window_items", "m"] >= 200
    await worker.pipeline.close()


@pytest.mark.filterwarnings("error")
async def test_drift_plugin_hostile_values_raise_no_error():
    worker = await Worker().start()
    inputs, outputs = batch(8)
    inputs["x"][:] = [[np.nan, np.inf], [-np.inf, 3e38], [0, 0], [np.nan, np.nan]] * 2
    outputs["p"][:4] = np.nan
    outputs["p"][4:] = np.inf
    for _ in range(40):
        await worker.call(inputs, outputs)
    empty = {"x": np.zeros((0, 2), np.float32), "note": np.array([], object)}
    await worker.call(empty, {"p": np.zeros((0, 2), np.float32)})
    await worker.plugin.refresh()
    assert worker.numbers["drift_state", "m"] == 2
    assert worker.numbers["drift_missing_ratio", "m", "x-0"] == 0.5
    assert all(np.isfinite(value) for value in worker.numbers.values())
    assert not any("failures" in key[0] for key in worker.numbers)
    await worker.pipeline.close()


async def test_drift_plugin_workers_share_one_window(tmp_path):
    first, second = await Worker(tmp_path).start(), await Worker(tmp_path).start()
    await first.see(150, seed=1)
    await second.see(130, seed=2)
    await first.plugin.refresh()
    assert first.numbers["drift_window_items", "m"] == second.numbers["drift_window_items", "m"] == 280
    assert first.numbers["drift_psi", "m", "x-0"] == second.numbers["drift_psi", "m", "x-0"] > 0
    await first.pipeline.close()
    await second.pipeline.close()
    assert sorted(file.name for file in tmp_path.glob("*.json")) == ["worker-0.json", "worker-1.json"]


async def test_drift_plugin_worker_continues_from_the_snapshot(tmp_path):
    worker = await Worker(tmp_path).start()
    await worker.see(300, shift=1.0)
    await worker.call(*batch(7))
    await worker.pipeline.close()
    again = await Worker(tmp_path).start()
    assert again.numbers["drift_window_items", "m"] == 307
    assert again.numbers["drift_state", "m"] == 2
    await again.pipeline.close()
    other = learn(CARD, *batch(500, seed=9)).encode()
    changed = await Worker(tmp_path).start(load_of(other))
    assert changed.numbers["drift_window_items", "m"] == 0
    await changed.pipeline.close()


async def test_drift_plugin_text_reaches_neither_snapshot_nor_measurements(tmp_path):
    worker = await Worker(tmp_path).start()
    inputs, outputs = batch(10)
    inputs["note"][:] = "Zacharias Canary"
    for _ in range(30):
        await worker.call(inputs, outputs)
    await worker.plugin.refresh()
    assert "Canary" not in str(worker.numbers) + str(worker.plugin.summary())
    await worker.pipeline.close()
    for file in tmp_path.iterdir():
        assert b"Canary" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


async def test_drift_plugin_skips_invalid_snapshots_with_one_log_line(tmp_path, caplog):
    (tmp_path / "worker-0.json").write_bytes(b"{}")
    (tmp_path / "worker-7.json").write_bytes(b"[1")
    worker = await Worker(tmp_path).start()
    assert "earlier counts of drift are lost" in caplog.text
    caplog.clear()
    await worker.see(200)
    await worker.plugin.refresh()
    assert [record.message for record in caplog.records if "left out" in record.message] == [
        "worker-7.json is left out: this is not a snapshot of drift windows"
    ]
    assert worker.numbers["drift_window_items", "m"] == 200
    await worker.pipeline.close()


async def test_drift_plugin_logs_missing_directory_once_and_continues(tmp_path, caplog):
    worker = await Worker(tmp_path / "d").start()
    for file in (tmp_path / "d").iterdir():
        file.unlink()
    (tmp_path / "d").rmdir()
    await worker.see(300, shift=1.0)
    await worker.see(300, seed=1, shift=1.0)
    assert worker.numbers["drift_state", "m"] == 2
    assert caplog.text.count("counts of drift are not kept") == 1
    (tmp_path / "d").mkdir()
    await worker.pipeline.close()
    assert (tmp_path / "d/worker-0.json").exists()


async def test_drift_plugin_directory_that_cannot_be_made_stops_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"\[drift\] cannot write into"):
        await Worker(tmp_path / "file").start()


@pytest.mark.parametrize(
    ("profile", "card"), [(b"{}", CARD), (PROFILE, {**CARD, "classes": ["b", "a"]}), (PROFILE, {**CARD, "inputs": []})]
)
async def test_drift_plugin_invalid_or_foreign_profile_stops_the_start(profile, card):
    worker = Worker()
    with pytest.raises(ManifestMismatchError, match="model 'm': profile.json"):
        await worker.start(load_of(profile, card))
    await worker.pipeline.close()


async def test_drift_plugin_model_without_profile_is_logged_once_and_served(caplog):
    with caplog.at_level(logging.WARNING):
        worker = await Worker().start(load_of(profile=None))
    assert "has no profile.json" in caplog.text
    assert (await worker.call(*batch(3))).status == 200
    assert worker.numbers == {}
    await worker.pipeline.close()


async def test_drift_plugin_counts_expire_after_the_window(tmp_path):
    worker = await Worker(window_seconds=100).start()
    await worker.see(300, shift=1.0)
    worker.clock.now += 101
    await worker.plugin.refresh()
    assert (worker.numbers["drift_window_items", "m"], worker.numbers["drift_state", "m"]) == (0, 0)
    await worker.pipeline.close()


def test_drift_settings_that_can_never_report_are_refused(tmp_path):
    (tmp_path / "s.toml").write_text('[service]\nname = "s"\n[drift]\nwindow_items = 200\nleast_items = 190\n')
    with pytest.raises(ConfigurationError, match="nine tenths"):
        load_settings(tmp_path / "s.toml", {})
