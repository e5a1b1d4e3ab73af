"""What a network computes on its way, beside its answer."""
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn


def tapped(net: nn.Module, x: Tensor, layers: Sequence[str]) -> tuple[Any, dict[str, Tensor]]:
    """net(x), and by name what its inner modules `layers` gave for it, with gradients.

    layers: dotted names as in net.named_modules(), such as "model.4" of a ResnetGenerator. A layer that works in place
    behind a tapped one writes over what the tap gave. TypeError, a programming error, for a name the network lacks.
    """
    modules = dict(net.named_modules())
    missing = [name for name in layers if name not in modules]
    if missing:
        raise TypeError(f"{type(net).__name__} has no inner module {', '.join(missing)}; it has {', '.join(modules)}")
    features: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            features[name] = output
        return hook
    handles = [modules[name].register_forward_hook(keep(name)) for name in layers]
    try:
        return net(x), features
    finally:
        for handle in handles:
            handle.remove()
