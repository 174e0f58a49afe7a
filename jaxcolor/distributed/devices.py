"""The devices that JAX has."""

import os

import jax

from jaxcolor.errors import UserError


def check() -> None:
    """Check that there is a device of the kind that JAX_PLATFORMS asks for; comes after the cluster is joined.

    Raises:
      UserError: there is none.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # of a platform that failed, and of one that JAX has not heard of
        wanted = os.environ.get('JAX_PLATFORMS', '')
        raise UserError(
            f'JAX_PLATFORMS={wanted!r}: JAX finds no such device here; leave it out, or install what it takes: '
            "pip install 'jaxcolor[cuda13]', [cuda12] or [tpu]"
        ) from error
