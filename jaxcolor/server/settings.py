"""The limits of a server and its place behind a proxy."""

from dataclasses import dataclass, field

from jaxcolor.imaging.photos import Limits


@dataclass(frozen=True)
class Settings:
    """Limits of a server.

    Attributes:
      batch_size: pictures that go through the network together, at most: as many as a power of 4 that is no more.
      queue: pictures between the end of their upload and their answer, at most; more are turned away.
      per_client: requests of one address (of IPv6, of one /64) at a time, but for probes; more are turned away.
      photo: bytes and pixels of one picture, at most.
      film_seconds: that a film may have; 0 for no films at all.
      film_bytes: of a film, at most.
      upload_timeout: seconds that a client may take to send a picture.
      answer_timeout: seconds from there to the answer.
      drain_timeout: seconds that requests under way may take once the server is to end.
      token: that requests below `/v1/` must bring; empty for none.
      allowed_hosts: names that a request's Host may have, but for probes; empty for any.
      root_path: where a proxy has put the server, such as `/colour`; empty for the root.
    """

    batch_size: int = 4
    queue: int = 32
    per_client: int = 16
    photo: Limits = field(default_factory=lambda: Limits(bytes=64 * 2**20, pixels=64_000_000))
    film_seconds: int = 0
    film_bytes: int = 256 * 2**20
    upload_timeout: int = 60
    answer_timeout: int = 120
    drain_timeout: int = 60
    token: str = ''
    allowed_hosts: frozenset[str] = frozenset()
    root_path: str = ''

    @property
    def upload_memory(self) -> int:
        """Bytes that uploads and answers may hold together, whether they are under way or wait."""
        return 16 * self.photo.bytes
