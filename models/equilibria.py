"""What adversarial losses are worth when a discriminator cannot tell generated from real images."""
from collections.abc import Sequence

from models.contract import Translation
from networks.losses import at_equilibrium


def equilibria(translations: Sequence[Translation], gan_mode: str, weight: float = 1.0) -> dict[str, float]:
    """The value of each adversarial loss at the equilibrium, by name; none where theory does not tell.

    weight: of the generators' terms. A discriminator's are unweighted: its terms, or their mean.
    """
    values = at_equilibrium(gan_mode)
    if values is None:
        return {}
    of_D, of_G = values
    return {name: value for t in translations for name, value in ((t.G, weight * of_G), *((D, of_D) for D in t.D))
            if name}
