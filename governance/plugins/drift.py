"""Drift: compares the inputs and answers of models with the reference profile that is sealed with them.

It sees the inputs that the model got, after privacy has changed them, and no refused request. While a request is
answered, it only keeps a few numbers; a background task computes the statistics. An error of this plugin never stops an
answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Inference
from governance.contract.measurements import Measurement
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.drift.comparison import DriftTest, ModelDrift
from governance.drift.profile import SignedProfile
from governance.drift.sampling import Pace, SampleBuffer
from governance.drift.window import MAX_SNAPSHOT_BYTES, ModelSnapshot, Snapshot, Window
from governance.errors import ConfigurationError, ManifestMismatchError
from governance.files import read_limited, replace_file
from governance.plugins.watch import Watch
from governance.settings import Settings

MAX_WORKERS = 256
SNAPSHOTS = "worker-*.json"

logger = logging.getLogger("governance.drift")


@dataclass(slots=True)
class _Watched:
    """One model: which requests are counted, items that wait for it, the window, and the last comparison's result."""

    pace: Pace
    waiting: SampleBuffer
    window: Window
    test: DriftTest
    last: ModelDrift


class DriftPlugin(Plugin):
    """Watches every model whose sealed artifact contains a `profile.json`; for a model without one, it warns once."""

    name = "drift"
    observes = frozenset({Inference})

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        choose: Callable[[], np.random.Generator] = np.random.default_rng,
    ) -> None:
        self._settings, self._clock, self._choose = settings.drift, clock, choose
        self._models: dict[str, _Watched] = {}
        self._failures: dict[str, int] = {}
        self._place: _Place | None = None
        self._watch: Watch | None = None
        self._dirty = False

    async def open(self) -> None:
        """Claim this worker's file in the directory, and begin the periodic comparison."""
        self._models.clear()
        directory = self._settings.directory
        self._place = _Place.claim(directory) if directory is not None else None
        self._watch = Watch("drift", self._settings.refresh_seconds, self.refresh)

    async def close(self) -> None:
        """Compare a last time, and release the file."""
        if self._watch is not None:
            await self._watch.stop()
        try:
            await self.refresh()
        finally:
            if self._place is not None:
                self._place.release()
                self._place = None

    def model_loaded(self, load: ModelLoad) -> None:
        """Read the profile that was signed with the model.

        Raises:
            ManifestMismatchError: if it is not a profile, or not of this model.
        """
        if load.profile is None:
            logger.warning("model '%s' has no profile.json: its drift is not watched", load.model)
            return
        try:
            reference = SignedProfile.parse(load.profile)
            reference.profile.verify(load.card)
        except ManifestMismatchError as error:
            raise ManifestMismatchError(f"model '{load.model}': {error}") from None
        settings = self._settings
        window = Window(reference, settings.window_items, settings.window_seconds)
        test = DriftTest(reference, settings.least_items, settings.false_alarms)
        earlier = self._place.earlier(load.model) if self._place is not None else None
        if earlier is not None and earlier.profile == reference.digest:
            window.restore(earlier)
            test.restore([earlier.states])
        choose = self._choose()
        waiting = SampleBuffer(reference.profile, window.part_items, choose)
        pace = Pace(settings.requests_per_second, choose, self._clock)
        last = test.compare(window.counted(self._clock()))
        self._models[load.model] = _Watched(pace, waiting, window, test, last)

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Proceed, and count the inputs and outputs of the model that ran."""
        reply = await proceed(exchange)
        inference = exchange.get(Inference)
        if inference is not None:
            self._see(inference)
        return reply

    def _see(self, inference: Inference) -> None:
        watched = self._models.get(inference.model)
        if watched is None:
            return
        try:
            if watched.pace.takes() and watched.waiting.add(inference.inputs, inference.outputs):
                self._count(watched)
        except Exception as error:
            self._failed(inference.model, error)

    def _count(self, watched: _Watched) -> None:
        now = self._clock()
        for counted in watched.waiting.take():
            watched.window.add(counted.counts, counted.items, now)
            self._dirty = True

    def _failed(self, model: str, error: Exception) -> None:
        """Count a failure; log the first and each thousandth without the text, which may contain data of a caller."""
        count = self._failures[model] = self._failures.get(model, 0) + 1
        if count % 1000 == 1:
            logger.error(
                "model '%s': its inputs and answers could not be counted, %d times until now: %s",
                model,
                count,
                type(error).__name__,
            )

    async def refresh(self) -> None:
        """Count waiting items, exchange snapshots with the other workers, and compare all windows with the profiles."""
        for model, watched in self._models.items():
            try:
                self._count(watched)
            except Exception as error:
                self._failed(model, error)
        mine, dirty, self._dirty = self._snapshot(), self._dirty, False
        self._dirty |= await asyncio.to_thread(self._judge, mine, dirty)

    def _judge(self, mine: Snapshot, dirty: bool) -> bool:
        """Exchange snapshots, and compare the windows of all workers; return whether there is a change to write."""
        others: Sequence[Snapshot] = ()
        changed = False
        if self._place is not None:
            written = not dirty or self._place.write(mine)
            others, changed = self._place.others(), not written
        for model, watched in self._models.items():
            snapshots = [snapshot.models[model] for snapshot in (mine, *others) if model in snapshot.models]
            before = watched.test.states
            watched.last = watched.test.compare(watched.window.merged_with(snapshots, mine.written))
            changed = changed or before != watched.test.states
        return changed

    def _snapshot(self) -> Snapshot:
        models = {
            name: ModelSnapshot(watched.window.reference.digest, list(watched.test.states), watched.window.parts())
            for name, watched in self._models.items()
        }
        return Snapshot(1, self._clock(), models)

    def measurements(self) -> Iterable[Measurement]:
        """Return the last results, by model and subject."""
        for model, watched in self._models.items():
            last = watched.last
            yield Measurement("drift_window_items", last.items, (model,))
            yield Measurement("drift_state", last.state, (model,))
            for reading in last.subjects:
                labels = (model, reading.subject.name)
                yield Measurement("drift_psi", reading.psi, labels)
                if reading.ks is not None:
                    yield Measurement("drift_ks", reading.ks, labels)
                yield Measurement("drift_chi2_p", reading.chi2_p, labels)
                yield Measurement("drift_out_of_range_ratio", reading.out_of_range, labels)
                yield Measurement("drift_missing_ratio", reading.missing, labels)
        for model, count in self._failures.items():
            yield Measurement("drift_failures_total", count, (model,))

    def summary(self) -> Mapping[str, Any]:
        """Return the last results for JSON: state, items and subjects of each model."""
        return {
            model: {**watched.last.to_row(), "failures": self._failures.get(model, 0)}
            for model, watched in self._models.items()
        }


class _Place:
    """This worker's file in the directory; a lock keeps other processes from writing it."""

    def __init__(self, file: Path, lock: IO[bytes]) -> None:
        self._file, self._lock = file, lock
        self._bad: set[Path] = set()
        self._writes = True

    @classmethod
    def claim(cls, directory: Path) -> _Place:
        """Claim the first free number.

        Raises:
            ConfigurationError: if the directory cannot be made or written.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(MAX_WORKERS):
                file = directory / f"worker-{number}.json"
                lock = open(  # noqa: SIM115 -- held until `release`
                    os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb"
                )
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                    continue
                return cls(file, lock)
        except OSError as error:
            raise ConfigurationError(f"[drift] cannot write into {directory}: {error.strerror}") from None
        raise ConfigurationError(f"[drift] {directory} is used by {MAX_WORKERS} workers already")

    def earlier(self, model: str) -> ModelSnapshot | None:
        """Return the snapshot of an earlier process; an unreadable one counts as none."""
        if not self._file.exists():
            return None
        try:
            return Snapshot.parse(read_limited(self._file, MAX_SNAPSHOT_BYTES)).models.get(model)
        except ConfigurationError as error:
            logger.warning("earlier counts of drift are lost: %s", error)
            return None

    def write(self, mine: Snapshot) -> bool:
        """Write this worker's snapshot, and return whether that succeeded; the first failure in a row is logged."""
        try:
            replace_file(self._file, mine.encode())
        except OSError as error:
            if self._writes:
                logger.error("counts of drift are not kept: cannot write %s: %s", self._file, error.strerror)
            self._writes = False
            return False
        self._writes = True
        return True

    def others(self) -> Sequence[Snapshot]:
        """Return the other workers' snapshots."""
        others = []
        for file in sorted(self._file.parent.glob(SNAPSHOTS))[:MAX_WORKERS]:
            if file == self._file:
                continue
            try:
                others.append(Snapshot.parse(read_limited(file, MAX_SNAPSHOT_BYTES)))
                self._bad.discard(file)
            except ConfigurationError as error:
                if file not in self._bad:
                    self._bad.add(file)
                    logger.warning("%s is left out: %s", file.name, error)
        return others

    def release(self) -> None:
        """Release the file for another process."""
        self._lock.close()
