"""What was done to a head's logits so that its probabilities are true.

It is in the head already: nothing that uses one needs to know of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

METHODS = ("temperature", "bias-corrected", "adjusted")


@dataclass(frozen=True)
class HeadCalibration:
    """Say how a head was calibrated: `model.calibration`, made by `fit`.

    The head's logits are those that it was trained to give, / temperature + shift. Both
    were found on the training photos, each named by a head that never saw it.

    Attributes:
        method: One of `TrainingOptions.calibrate`'s.
        temperature: Above 1 where the head was too sure, below where not enough.
        shift: What was added to each class's logit, n_classes numbers.
        photos: On how many photos they were found.
        log_loss_before, log_loss_after: Of those photos.

    Example:
        >>> model.calibration.temperature    # 1.27, say
    """

    method: str
    temperature: float
    shift: tuple[float, ...]
    photos: int
    log_loss_before: float
    log_loss_after: float

    def __str__(self) -> str:
        return (
            f"Calibrated ({self.method}) on {self.photos:,} training photos, each "
            f"named by a head that never saw it: temperature {self.temperature:.3f}, "
            f"log-loss {self.log_loss_before:.4f} before and "
            f"{self.log_loss_after:.4f} after."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, as a model's manifest has them."""
        return asdict(self) | {"shift": list(self.shift)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any] | None) -> "HeadCalibration | None":
        """Make again what `to_dict` told of; of None, None."""
        return fields and cls(**fields | {"shift": tuple(fields["shift"])})
