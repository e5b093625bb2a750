"""Searches learning rate and batch size on the validation part; the test part is not used."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import optuna

from training.config import Config
from training.fit import ImagesAndLabels, fit
from training.preprocess import Statistics
from training.runs.state import RunState


def tune(
    config: Config,
    train: ImagesAndLabels,
    validation: ImagesAndLabels,
    statistics: Statistics,
    trials: int,
    progress: bool = True,
) -> tuple[Config, float]:
    """Return the configuration with the lowest validation loss, and this loss.

    Trials are chosen by the tree-structured Parzen estimator; one whose loss is above the median of earlier trials
    after the same epoch is stopped.

    Args:
        config: all other settings.
        train: images float32 [n, 1, 28, 28] from 0 to 1, and labels int64 [n].
        validation: the same of the validation part.
        statistics: of the train part.
        trials: number of configurations to train.
        progress: show a progress bar if the standard error is a terminal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        candidate = replace(
            config,
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            batch=trial.suggest_categorical("batch", [32, 64, 128]),
        )

        def each_epoch(state: RunState) -> None:
            trial.report(state.history[-1]["validation_loss"], state.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        _, state = fit(candidate, train, validation, statistics, None, progress=False, each_epoch=each_epoch)
        return state.best_loss

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=config.seed), pruner=optuna.pruners.MedianPruner(n_startup_trials=3)
    )
    study.optimize(objective, n_trials=trials, show_progress_bar=progress and sys.stderr.isatty())
    return replace(config, **study.best_params), float(study.best_value)
