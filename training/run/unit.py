"""What the held-out figures of a model are counted per, and what their total adds.

In: names of figures and their weights, stated once by each task. Out: the total that training
watches, and the words in which prints, curves and the model card say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unit:
    """What figures are counted in.

    Attributes:
        per: What the nats are counted per: ``note``, ``section``, ``bar``, ``step``.
        weights: Name of each figure in nats -> its weight in ``total``, in the order shown.
        beside: What ``total`` adds that is not in nats, as ``ln(1 + mismatch)``; empty where there
            is nothing of the kind. Such a total ranks checkpoints and is no number of nats.
    """

    per: str
    weights: Mapping[str, float]
    beside: str = ""

    def total(self, figures: Mapping[str, Any]) -> Any:
        """Return the weighted sum of the figures in nats; those that are missing count nothing."""
        return sum(weight * figures[name] for name, weight in self.weights.items()
                   if name in figures)  # fmt: skip

    def nats(self, figures: Mapping[str, Any]) -> dict[str, float]:
        """Return the figures that are nats per :attr:`per`, in the order shown."""
        return {name: float(figures[name]) for name in self.weights if name in figures}

    def formula(self, figures: Mapping[str, Any]) -> str:
        """Return what ``total`` adds, as ``cells + 0.5 × latent``."""
        terms = [
            name if weight == 1 else f"{weight:g} × {name}"
            for name, weight in self.weights.items()
            if name in figures
        ]
        return " + ".join([*terms, *([self.beside] if self.beside else [])])

    def line(self, figures: Mapping[str, Any]) -> str:
        """Return the figures as one line for people."""
        parts = ", ".join(f"{name} {value:.3f}" for name, value in self.nats(figures).items())
        total = f"total {float(figures['total']):.4f}"
        formula = self.formula(figures)
        if self.beside:
            return f"{total} (= {formula}); nats a {self.per}: {parts}"
        return f"{total} nats a {self.per} (= {formula}): {parts}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for checkpoint and manifest."""
        return {"per": self.per, "weights": dict(self.weights), "beside": self.beside}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Unit:
        """Return the unit that :meth:`to_dict` wrote (KeyError where an entry is missing)."""
        weights = {str(name): float(weight) for name, weight in data["weights"].items()}
        return Unit(str(data["per"]), weights, str(data["beside"]))
