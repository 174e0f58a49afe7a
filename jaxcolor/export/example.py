"""A small example for the page: it trusts a browser's runtime that says of it what is said here."""

from typing import Any

import numpy as np
import onnxruntime

from jaxcolor.export.network import Network

_SIDE = 64  # pixels, or the next that the network takes


def of(graph: bytes, network: Network, palette: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the graph says of a made-up square picture with one hint; the page makes the same (`session.js`).

    Args:
      graph: of `web.graph`.
      network: whose it is.
      palette: what `web.describe` says of it.

    Returns:
      The `side` of the picture, and the `chroma`: a* and b*, flat, to hundredths.
    """
    side = max(network.least, -(-_SIDE // network.step) * network.step)
    hints = np.zeros((1, side, side, 3), np.float32)
    hints[0, 0, 0] = 0.5, -0.25, 1
    known = {
        'x': (37 * np.arange(side**2) % 101 / 50 - 1).reshape(1, side, side, 1),
        'hints': hints,
        'near': np.full((1, side, side, 1), 0.5),
        'temperature': palette and palette['temperature'],
        'vividness': palette and palette['vividness'],
    }
    session = onnxruntime.InferenceSession(graph)
    feed = {one.name: np.asarray(known[one.name], np.float32) for one in session.get_inputs()}
    (chroma,) = session.run(['chroma'], feed)
    return {'side': side, 'chroma': chroma.ravel().astype(float).round(2).tolist()}
