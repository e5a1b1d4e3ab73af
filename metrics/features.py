"""The networks whose features fid and kid compare."""
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor

from metrics.base_metric import FeatureNet
from metrics.extra import library
from metrics.self_features import load_or_train
from metrics.weight_files import WeightFile
from util.errors import UserError

INCEPTION = WeightFile(
    "the Inception network of FID",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth", 91,
    "evaluate.py --features self measures with a small network that it trains first")
KINDS = ("inception", "self")
PictureSource = Callable[[], Iterable[Tensor]]


class Inception(FeatureNet):
    """The pool features of the network of 2015 that published FIDs are made with (Heusel et al. 2017).

    Pictures are rounded to 8 bits and brought to 299 x 299 as that network's publishers did, by torch-fidelity.
    """

    num_features = 2048

    def __init__(self, path: Path):
        """path: of the weights. UserError when torch-fidelity is missing or the weights do not fit."""
        super().__init__()
        extractor = library("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
        try:
            self.net = extractor("inception", [str(self.num_features)], feature_extractor_weights_path=str(path))
        except RuntimeError:  # other names or shapes
            raise INCEPTION.misfit(path) from None
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net((pictures * 255).round().byte())[0]


def choose_features(kind: str, weights: Path | None = None, pictures: PictureSource | None = None
                    ) -> Callable[[], FeatureNet]:
    """What Tools.features is to be. The network is made at the first call and kept.

    kind: 'inception'; or 'self', trained on `pictures` of the target domain, each (3, H, W) in [0, 1].
    weights: the file of the weights, or a folder that holds it. Of 'inception': None for torch's cache; of 'self': made
    there if it is not, and loaded if it is; None to keep none.
    The call raises UserError when weights are missing or damaged, or when there are too few pictures to train on.
    """
    if kind not in KINDS:
        raise UserError(f"--features {kind!r} is not known. Known: {', '.join(KINDS)}")

    @functools.cache
    def make() -> FeatureNet:
        if kind == "self":
            return load_or_train(weights, pictures or (lambda: ()))
        library("torch_fidelity")
        path, _ = INCEPTION.load(weights)  # read with care once: torch-fidelity's own reading would run a file's code
        return Inception(path)
    return make
