"""The samples of a scrape, by name and label, for the page's document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from governance.contract.measurements import Sample

Labels = Mapping[str, str]
# Routes that observe the service itself; they are not counted as traffic.
_LOOKS = ("/livez", "/readyz", "/healthz", "/metrics", "/v2/health/", "/governance/")


def is_a_call(labels: Labels) -> bool:
    """Return whether a sample counts a caller's request, not a probe, a scrape or this page."""
    return not labels.get("route", "").startswith(_LOOKS) or labels.get("route") == "/governance/reveal"


class Numbers:
    """Samples by name, without the prefix."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[tuple[Labels, float]]] = {}
        for name, labels, value in samples:
            self._by_name.setdefault(name.removeprefix("governance_"), []).append((labels, value))

    def of(self, name: str) -> Sequence[tuple[Labels, float]]:
        """Return the samples of one name."""
        return self._by_name.get(name, ())

    def of_model(self, name: str, model: str) -> float | None:
        """Return the value of a model, or None."""
        return next((value for labels, value in self.of(name) if labels.get("model") == model), None)

    def any(self, name: str) -> bool:
        """Return whether one of the values is not 0."""
        return any(value for _, value in self.of(name))

    def by(self, name: str, label: str, wanted: Callable[[Labels], bool] = lambda _: True) -> dict[str, float]:
        """Return the sums by one label, the largest first, without zeros."""
        sums: dict[str, float] = {}
        for labels, value in self.of(name):
            if wanted(labels) and value:
                sums[labels.get(label, "")] = sums.get(labels.get(label, ""), 0.0) + value
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    def quantiles(
        self, name: str, shares: Sequence[float], wanted: Callable[[Labels], bool] = lambda _: True
    ) -> list[float | None]:
        """Return quantiles of a histogram in its unit, by linear interpolation within a bucket, as Prometheus does."""
        buckets: dict[float, float] = {}
        for labels, value in self.of(f"{name}_bucket"):
            if wanted(labels):
                edge = float(labels["le"])
                buckets[edge] = buckets.get(edge, 0.0) + value
        return [_quantile(sorted(buckets.items()), share) for share in shares]


def _quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    if not buckets or not buckets[-1][1]:
        return None
    wanted, below, lower = share * buckets[-1][1], 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if edge == float("inf"):
                return lower
            return lower + (edge - lower) * ((wanted - below) / (count - below) if count > below else 1.0)
        below, lower = count, edge
    return lower
