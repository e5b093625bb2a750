"""The dashboard Models and drift: artifacts, devices, inference and drift, for the ML engineer."""

from __future__ import annotations

from helm.dashboards.panels import DRIFT, ON_OFF, READY, Dashboard, Query, Row, graph, heatmap, stat, table, timeline
from helm.dashboards.queries import INSTANCE, MODEL, buckets, increase, quantile, rate

MEAN_LOAD_TIME = (
    f"sum by (model) (governance_model_load_seconds_sum{{{MODEL}}}) "
    f"/ sum by (model) (governance_model_load_seconds_count{{{MODEL}}})"
)
GPU_MEMORY = (
    f'max by (instance, device) (governance_gpu_memory_bytes{{{INSTANCE},state="used"}}) '
    f'/ max by (instance, device) (governance_gpu_memory_bytes{{{INSTANCE},state="total"}})'
)


def _by_subject(aggregation: str, metric: str) -> Query:
    """Return a drift measure of every subject of every model; the worst (`max` or `min`) over all workers."""
    return Query(f"{aggregation} by (model, subject) (governance_drift_{metric}{{{MODEL}}})", "{{model}}: {{subject}}")


SERVED = Row(
    "Models served",
    (
        table(
            "Models",
            "Models that the instances serve, by signed digest. A model with two digests is being rolled out.",
            f"count by (model, version, digest) (governance_model_info{{{MODEL}}})",
            {"model": "Model", "version": "Version", "digest": "Digest", "Value": "Instances"},
            width=12,
            decimals=0,
        ),
        timeline(
            "Model readiness",
            "By model and device; not ready if one worker cannot answer.",
            Query(f"min by (model, device) (governance_model_ready{{{MODEL}}})", "{{model}} on {{device}}"),
            states=READY,
            limits=(1,),
            good_above=True,
            width=6,
        ),
        timeline(
            "Fallback to a slower device",
            "YES: the model was configured for a GPU and runs on the CPU.",
            Query(f"max by (model, device) (governance_model_degraded{{{MODEL}}})", "{{model}} on {{device}}"),
            states=ON_OFF,
            limits=(1,),
            width=6,
        ),
    ),
)

INFERENCE = Row(
    "Inference",
    (
        graph(
            "Items per second",
            "Items of all batches, by model.",
            Query(rate("inference_items_total", "model, version", MODEL), "{{model}} {{version}}"),
            unit="ops",
            width=6,
        ),
        graph(
            "Inference time",
            "Time inside ONNX Runtime, 50th and 99th percentile, by model.",
            Query(quantile(0.5, "inference_seconds", "model", MODEL), "{{model}} p50"),
            Query(quantile(0.99, "inference_seconds", "model", MODEL), "{{model}} p99"),
            unit="s",
            width=6,
        ),
        heatmap(
            "Batch sizes", "Items that shared one inference run.", buckets("batch_items", MODEL), unit="none", width=6
        ),
        stat(
            "Mean time to open a model",
            "Time to verify, decrypt and prepare an artifact, by model.",
            Query(MEAN_LOAD_TIME, "{{model}}"),
            unit="s",
            width=6,
            height=8,
        ),
        graph(
            "GPU memory",
            "Used share of the GPU's memory.",
            Query(GPU_MEMORY, "{{device}} of {{instance}}"),
            unit="percentunit",
            limits=(0.95,),
            width=12,
            height=6,
            none="no GPU",
        ),
        graph(
            "GPU utilization",
            "Share of the time in which the GPU was busy.",
            Query(
                f"max by (instance, device) (governance_gpu_utilization_ratio{{{INSTANCE}}})",
                "{{device}} of {{instance}}",
            ),
            unit="percentunit",
            width=12,
            height=6,
            none="no GPU",
        ),
    ),
)

DRIFT_ROW = Row(
    "Drift",
    (
        timeline(
            "Drift state",
            "Each model's inputs and answers, compared with the reference profile in its sealed artifact.",
            Query(f"max by (model) (governance_drift_state{{{MODEL}}})", "{{model}}"),
            states=DRIFT,
            limits=(1, 2),
            width=16,
            height=6,
            none="no reference profile",
        ),
        stat(
            "Items in the window",
            "Number of items that are compared. With few items the drift state is not reliable.",
            Query(f"min by (model) (governance_drift_window_items{{{MODEL}}})", "{{model}}"),
            unit="none",
            width=4,
            height=6,
            decimals=0,
        ),
        stat(
            "Items not counted",
            "Items, in the time range, that the drift plugin could not process. Their answers were sent.",
            increase("drift_failures_total", MODEL),
            unit="none",
            limits=(0.5,),
            width=4,
            height=6,
            decimals=0,
        ),
        graph(
            "Population stability index",
            "Below 0.1 the distribution is steady; above 0.25 it is a different one.",
            _by_subject("max", "psi"),
            limits=(0.1, 0.25),
            width=12,
        ),
        graph(
            "Kolmogorov-Smirnov distance",
            "Largest difference between the two cumulative distributions.",
            _by_subject("max", "ks"),
            width=12,
        ),
        graph(
            "Chi-square p-value",
            "Probability of the observed class counts if nothing changed. A small value means that the frequencies of "
            "the classes changed.",
            _by_subject("min", "chi2_p"),
            unit="percentunit",
        ),
        graph(
            "Values out of range",
            "Share of the values outside the range of the training data.",
            _by_subject("max", "out_of_range_ratio"),
            unit="percentunit",
        ),
        graph(
            "Missing values",
            "Share of the values that are missing or not a number.",
            _by_subject("max", "missing_ratio"),
            unit="percentunit",
        ),
    ),
)

DASHBOARD = Dashboard(
    "models",
    "Models and drift",
    "Which models are served, on which device, and do their inputs still match the training data? For the ML engineer.",
    (SERVED, INFERENCE, DRIFT_ROW),
    by_model=True,
)
