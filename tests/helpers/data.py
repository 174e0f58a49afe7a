"""Real data, which some tests read where it is: in the folder `$JAXCOLOR_TEST_DATA`, or else beside the repository."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get('JAXCOLOR_TEST_DATA') or Path(__file__).parents[3] / 'shared').resolve()
TFDS = FOLDER / 'data/tfds'  # CIFAR-10, prepared
PHOTOGRAPHS = FOLDER / 'data/places128'  # train/, validation/ and test/
BLACK_AND_WHITE = FOLDER / 'data/bw_photos'
