"""Small segments and batches: films of 20 frames have several."""

import pytest


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('av')
    pytest.importorskip('cv2')
    from jaxcolor.films import color

    monkeypatch.setattr(color, '_BATCH', 4)
    monkeypatch.setattr(color, 'FRAMES', 8)
