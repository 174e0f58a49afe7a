"""`jaxcolor serve`: a web page and an HTTP API."""

import argparse
import ipaddress
import logging
import os
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxcolor import weights
from jaxcolor.cli.arguments import add_address_arguments, add_token_argument, whole_number
from jaxcolor.errors import UserError, missing_package

if TYPE_CHECKING:
    from jaxcolor.server.models import ServedModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `serve`."""
    place = parser.add_argument_group('where')
    add_address_arguments(place)
    place.add_argument(
        '--root-path', default='', metavar='PATH', help='where a proxy has put the server, such as /colour'
    )
    access = parser.add_argument_group('access')
    add_token_argument(access)
    access.add_argument(
        '--allowed-hosts',
        default='',
        metavar='NAME,…',
        help='by which the server may be addressed, beside its probes; left out, any',
    )
    access.add_argument(
        '--per-client',
        type=whole_number(1),
        default=16,
        metavar='N',
        help='requests of one address at a time, default %(default)s',
    )
    limits = parser.add_argument_group('limits')
    for name, default, metavar, meaning in (
        ('--batch-size', 4, 'N', 'pictures that go through the network together: 1, 4, 16 or 64'),
        ('--queue', 32, 'N', 'pictures at work or waiting; more are told to come again'),
        ('--max-megabytes', 64, 'N', 'size of a file'),
        ('--max-megapixels', 64, 'N', 'size of a picture'),
        ('--upload-timeout', 60, 'SECONDS', 'that a client may take to send a picture'),
        ('--answer-timeout', 120, 'SECONDS', 'from there to the answer'),
        ('--drain-timeout', 60, 'SECONDS', 'that answers may take after SIGTERM'),
    ):
        limits.add_argument(
            name, type=whole_number(1), default=default, metavar=metavar, help=f'{meaning}, default %(default)s'
        )
    films = parser.add_argument_group('films')
    films.add_argument(
        '--film-seconds',
        type=whole_number(0, 86_400),
        default=0,
        metavar='N',
        help='length of a film; films are coloured one at a time, between pictures, and are in files meanwhile. '
        'Default 0: none is taken',
    )
    films.add_argument(
        '--film-megabytes', type=whole_number(1), default=256, metavar='N', help='size of a film, default %(default)s'
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes; return the exit status."""
    try:
        from jaxcolor.server.run import run as run_server
        from jaxcolor.server.settings import Settings
    except ModuleNotFoundError as error:
        raise missing_package(error, 'jaxcolor serve', 'serve') from error
    if arguments.film_seconds:
        try:
            import jaxcolor.server.films  # noqa: F401
        except ModuleNotFoundError as error:
            raise missing_package(error, f'--film-seconds={arguments.film_seconds}', 'video') from error
    from jaxcolor import compilation_cache
    from jaxcolor.imaging.photos import Limits

    given = os.environ.get('JAXCOLOR_TOKEN') if arguments.token is None else arguments.token
    token, is_new = choose_token(given, arguments.host)
    settings = Settings(
        batch_size=arguments.batch_size,
        queue=arguments.queue,
        photo=Limits(bytes=arguments.max_megabytes * 2**20, pixels=arguments.max_megapixels * 10**6),
        film_seconds=arguments.film_seconds,
        film_bytes=arguments.film_megabytes * 2**20,
        upload_timeout=arguments.upload_timeout,
        answer_timeout=arguments.answer_timeout,
        drain_timeout=arguments.drain_timeout,
        per_client=arguments.per_client,
        token=token,
        allowed_hosts=frozenset(name.strip().lower() for name in arguments.allowed_hosts.split(',') if name.strip()),
        root_path=arguments.root_path.rstrip('/'),
    )
    logging.getLogger('jaxcolor').setLevel(logging.INFO)
    compilation_cache.use()
    models = restore(arguments.model or [weights.DEFAULT], arguments.checkpoint, arguments.render_size)
    run_server(models, settings, arguments.host, arguments.port, show_token=is_new)
    return 0


def restore(sources: Sequence[str], checkpoint: str | None, render_size: int | None) -> list['ServedModel']:
    """Return the models of `--model`.

    Raises:
      UserError: one is not there, or does not go with an option; of several, the message names it.
    """
    from jaxcolor.checkpoints.load import card
    from jaxcolor.inference.colorizer import Colorizer
    from jaxcolor.server.models import ServedModel, names

    models = []
    for source, name in zip(sources, names(sources), strict=True):
        try:
            colorizer = Colorizer.restore(source, checkpoint=checkpoint, render_size=render_size)
        except UserError as error:
            if len(sources) == 1 or source in str(error):
                raise
            raise UserError(f'model={source}: {error}') from error
        models.append(ServedModel(colorizer, name, card(source)))
    return models


def choose_token(given: str | None, host: str) -> tuple[str, bool]:
    """Return the token of a server that listens on `host`, empty for none, and whether it is new.

    Raises:
      UserError: the one that is given can't be sent.
    """
    if given is None:
        is_new = not _is_loopback(host)
        return secrets.token_urlsafe(16) if is_new else '', is_new
    if given and not re.fullmatch(r'[A-Za-z0-9._~+/-]+=*', given):  # RFC 6750, section 2.1
        raise UserError('token=… has characters that a header can not carry; use letters, digits and ._~+/-')
    return given, False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'
