"""Tune: search hyperparameters on the validation part; the test part is never looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna

from training.config import Config
from training.fit import Tensors, fit
from training.preprocess import Statistics


def tune(
    config: Config, train: Tensors, validation: Tensors, statistics: Statistics, trials: int, progress: bool = True
) -> tuple[Config, float]:
    """Return the best settings found, and their validation loss.

    Trials that are clearly worse after an epoch are given up (median pruning).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        candidate = replace(
            config,
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            batch=trial.suggest_categorical("batch", [32, 64, 128]),
        )

        def each_epoch(epoch: int, loss: float) -> None:
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        _, state = fit(candidate, train, validation, statistics, None, progress=False, each_epoch=each_epoch)
        return state.best_loss

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=config.seed), pruner=optuna.pruners.MedianPruner(n_startup_trials=3)
    )
    study.optimize(objective, n_trials=trials, show_progress_bar=progress)
    return replace(config, **study.best_params), float(study.best_value)
