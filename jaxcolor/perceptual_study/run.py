"""The page, until a signal ends it."""

from types import FrameType

import uvicorn

from jaxcolor.perceptual_study.app import create_app
from jaxcolor.perceptual_study.study import Study
from jaxcolor.server.run import address, configure, listen
from jaxcolor.server.settings import Settings


def run(study: Study, settings: Settings, host: str, port: int, *, show_token: bool = False) -> None:
    """Serve until SIGINT or SIGTERM, and return.

    Args:
      study: what people are shown.
      settings: the token, and how many requests a client may have at a time.
      host: a name or an address of this machine.
      port: 0 for any that is free; the line printed names it.
      show_token: in the address that is printed, by which the page has it.

    Raises:
      UserError: there is no such host, or the port is taken.
    """
    with listen(host, port) as listener:
        server = _Server(configure(create_app(study, settings), settings))
        server.config.timeout_graceful_shutdown = 2  # an answer takes milliseconds
        print(f'listening on {address(host, listener, settings, show_token=show_token)}', end='', flush=True)
        print('; Ctrl-C ends it, and prints what was answered', flush=True)
        server.run([listener])


class _Server(uvicorn.Server):
    """One that returns after a signal: uvicorn's own raises it again, before anything could be printed."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; answers under way are on the disk within the seconds that they may take."""
        self.should_exit = True
