# SPDX-License-Identifier: Apache-2.0
"""The samples of a run, and the numbers that are computed from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Any

from harness.measure import Sample
from harness.registry import IMPLEMENTATIONS, OURS, RACY, Implementation, Kind, Workload

Statistic = Callable[[Iterable[float]], float]

STATISTICS: dict[str, Statistic] = {"best": min, "median": median}


MAX_DELAYED = 0.1
"""From this `Sample.delayed` on, a sample says more about the other processes."""


class Metric(Enum):
    """One of the two times of a sample."""

    CPU = "cpu"
    WALL = "wall"


class Verdict(Enum):
    """Ours against the fastest peer."""

    WINS = "wins"
    UNCLEAR = "unclear"
    """Best and median do not agree."""
    LOSES = "loses"


@dataclass
class Row:
    """The samples of one workload with one number of threads."""

    workload: Workload
    threads: int
    samples: dict[Implementation, list[Sample]] = field(default_factory=dict)
    errors: dict[Implementation, str] = field(default_factory=dict)

    def was_asked(self, of: Implementation) -> bool:
        """Whether this implementation was measured, or failed to be."""
        return of in self.samples or of in self.errors

    def value(self, of: Implementation, metric: Metric, statistic: Statistic) -> float | None:
        """The value in nanoseconds, of the undisturbed samples if there are any.

        None if there are no samples; an incomplete set is not judged.
        """
        if of in self.errors or of not in self.samples:
            return None
        taken = self.samples[of]
        samples = [sample for sample in taken if sample.delayed <= MAX_DELAYED] or taken
        return statistic(float(getattr(sample, metric.value)) for sample in samples)

    def ratio(self, to: Implementation, metric: Metric, statistic: Statistic) -> float | None:
        """Ours divided by another: below 1, ours is faster."""
        ours = self.value(OURS, metric, statistic)
        other = self.value(to, metric, statistic)
        return None if ours is None or not other else ours / other

    def fastest_peer(self, metric: Metric, statistic: Statistic) -> Implementation | None:
        """The fastest peer; None if no peer can do this."""
        values = {
            peer: value
            for peer in IMPLEMENTATIONS
            if peer.is_peer and (value := self.value(peer, metric, statistic)) is not None
        }
        return min(values, key=lambda peer: values[peer], default=None)

    def ratio_to_fastest(self, metric: Metric, statistic: Statistic) -> float | None:
        """Ours divided by the fastest peer."""
        peer = self.fastest_peer(metric, statistic)
        return None if peer is None else self.ratio(peer, metric, statistic)

    def verdict(self, metric: Metric) -> Verdict | None:
        """Whether ours is faster; None without a peer."""
        ratios = [self.ratio_to_fastest(metric, statistic) for statistic in STATISTICS.values()]
        losses = [ratio >= 1 for ratio in ratios if ratio is not None]
        if not losses:
            return None
        if any(losses):
            return Verdict.LOSES if all(losses) else Verdict.UNCLEAR
        return Verdict.WINS

    def disturbances(self) -> tuple[int, int]:
        """The number of samples in which another process took a core, and the number of all."""
        samples = [sample for taken in self.samples.values() for sample in taken]
        return sum(sample.delayed > MAX_DELAYED for sample in samples), len(samples)

    def as_json(self) -> dict[str, Any]:
        """The entry in the JSON file: every sample, and the numbers of the tables."""
        return {
            "workload": self.workload.key,
            "title": self.workload.title,
            "kind": self.workload.kind.value,
            "threads": self.threads,
            "operations_per_thread": self.workload.operations,
            "unit": "ns per operation" if self.workload.kind is Kind.OPERATION else "ns",
            "implementations": {
                of.name: [dataclasses.asdict(sample) for sample in samples]
                for of, samples in self.samples.items()
            },
            "errors": {of.name: error for of, error in self.errors.items()},
            "summary": {metric.value: self._summary(metric) for metric in Metric},
        }

    def _summary(self, metric: Metric) -> dict[str, Any]:
        verdict = self.verdict(metric)
        summary: dict[str, Any] = {"verdict": verdict and verdict.value}
        for name, statistic in STATISTICS.items():
            peer = self.fastest_peer(metric, statistic)
            summary[name] = {
                "values": {of.name: self.value(of, metric, statistic) for of in self.samples},
                "fastest_peer": peer and peer.name,
                "ours_to_fastest_peer": self.ratio_to_fastest(metric, statistic),
                "ours_to_racy": self.ratio(RACY, metric, statistic),
            }
        return summary
