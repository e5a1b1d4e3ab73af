"""Samples made ahead in threads of this process, where there are no worker processes."""
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from torch.utils.data import Dataset, IterableDataset

from data.sampler import Key

THREADS = 2  # decoding and scaling free the interpreter: one image on another core while this one computes or waits


class Ahead(IterableDataset):
    """What `samples` gives for the keys, in their order; THREADS more are under way or wait."""

    def __init__(self, samples: Dataset, keys: Iterable[Key]):
        self.samples, self.keys = samples, keys

    def __iter__(self) -> Iterator[object]:
        threads = ThreadPoolExecutor(THREADS, "reading ahead")
        under_way: deque[Future[object]] = deque()
        try:
            for key in self.keys:
                under_way.append(threads.submit(self.samples.__getitem__, key))
                if len(under_way) > THREADS:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
