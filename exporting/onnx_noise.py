"""Dropout in ONNX graphs, which is noise where a generator is translated with it."""
from __future__ import annotations

from typing import Any

import numpy as np

SHARE = "dropout_keeps_"  # how the initializers are named that say which share of the values stays


def spell_dropout(model: Any) -> Any:
    """The model with each active Dropout written out, in place: where a random number is below the share that stays, the
    value is divided by that share; elsewhere it is 0.

    onnxruntime takes the operator itself out of a graph, as if nothing were dropped outside of training, and its build
    for browsers does not have it.
    """
    import onnx

    graph, make, array = model.graph, onnx.helper.make_node, onnx.numpy_helper.from_array
    found = [node for node in graph.node if node.op_type == "Dropout" and len(node.input) == 3]
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for number, node in enumerate(found):
        x, ratio, _ = node.input
        share = f"{SHARE}{number}"
        graph.initializer.append(array(np.array(1 - values[ratio], np.float32), share))

        def step(kind: str, inputs: list[str], name: str, output: str = "", share: str = share, **how: Any) -> Any:
            return make(kind, inputs, [output or f"{share}_{name}"], f"{share}_{name}", **how)

        place = list(graph.node).index(node)
        graph.node.remove(node)
        for offset, written in enumerate((
                step("RandomUniformLike", [x], "noise", dtype=onnx.TensorProto.FLOAT),
                step("Less", [f"{share}_noise", share], "stays"),
                step("Cast", [f"{share}_stays"], "ones", to=onnx.TensorProto.FLOAT),
                step("Div", [f"{share}_ones", share], "factors"),
                step("CastLike", [f"{share}_factors", x], "mask"),
                step("Mul", [x, f"{share}_mask"], "result", node.output[0]))):
            graph.node.insert(place + offset, written)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    return model


def without_noise(model: Any) -> Any:
    """The model in which all values stay, in place."""
    import onnx

    for tensor in model.graph.initializer:
        if tensor.name.startswith(SHARE):
            kind = onnx.numpy_helper.to_array(tensor).dtype
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ones((), kind), tensor.name))
    return model
