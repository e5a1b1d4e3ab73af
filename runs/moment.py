"""Where a training is."""
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Moment:
    """Where a training is. images, total: images done in this epoch and in all; count: of them in this step."""

    epoch: int
    epoch_length: int  # images
    images: int = 0
    total: int = 0
    count: int = 0

    def after(self, count: int) -> "Moment":
        """The moment `count` images later."""
        return replace(self, images=self.images + count, total=self.total + count, count=count)

    def next_epoch(self) -> "Moment":
        """The beginning of the next epoch."""
        return replace(self, epoch=self.epoch + 1, images=0)

    @property
    def in_epoch(self) -> bool:
        """Whether images of this epoch are left."""
        return self.images < self.epoch_length

    @property
    def position(self) -> float:
        """Epochs done, as a fraction."""
        return self.epoch - 1 + self.images / self.epoch_length

    def due(self, every: int) -> bool:
        """Whether this step completed a multiple of `every` images; never for 0 or less."""
        return every > 0 and self.total // every > (self.total - self.count) // every
