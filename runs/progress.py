"""The bar of a training or a test on the terminal."""
import sys

from tqdm import tqdm


class Progress:
    """A bar over all images of a training or a test: share done, images/s and time left.

    unit: of what is counted; other things than images are many, and shown as 1.2M.
    """

    def __init__(self, total: int, done: int = 0, silent: bool = False, unit: str = "images"):
        self.animated = sys.stderr.isatty()
        self.moved = False
        self.bar = tqdm(total=total, initial=done, unit=f" {unit}", unit_scale=unit != "images",
                        dynamic_ncols=self.animated, leave=True,
                        mininterval=0.5 if self.animated else 20,  # a log file needs no animation
                        disable=silent)

    @property
    def done(self) -> int:
        """Images done."""
        return int(self.bar.n)

    @property
    def left(self) -> int:
        """Images still to do."""
        return int(self.bar.total) - self.done

    def advance(self, images: int, label: str = "") -> None:
        """So many images more are done."""
        self.bar.set_description_str(label, refresh=False)
        self.bar.update(images)
        if not self.moved:  # it has not stopped: the next ones are shown from time to time
            self.moved = True
            self.bar.refresh()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self.animated:
            tqdm.write(line)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


class Told:
    """A bar that is told (done, in all) of one piece of work."""

    def __init__(self, label: str, unit: str = "images"):
        self.label, self.unit = label, unit
        self.bar: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        self.bar = self.bar or Progress(total, unit=self.unit)
        self.bar.advance(done - self.bar.done, self.label)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar:
            self.bar.close()
