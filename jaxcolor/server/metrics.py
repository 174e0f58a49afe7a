"""Metrics for Prometheus: counts and times, nothing of a picture or a person."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter('jaxcolor_requests', 'Requests answered', ('route', 'status'), registry=self.registry)
        self.latency = Histogram(
            'jaxcolor_request_seconds',
            'From the first byte of a request to the last of its answer',
            ('route',),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stage = Histogram(
            'jaxcolor_stage_seconds',
            'What a picture spends its time on: upload, decode, model (with the wait for it), encode',
            ('stage',),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.active = Gauge(
            'jaxcolor_active',
            'Pictures and films between the start of their upload and the end of the answer',
            registry=self.registry,
        )
        self.in_progress = Gauge(
            'jaxcolor_in_progress', 'Pictures between upload and answer: the places taken', registry=self.registry
        )
        self.waiting = Gauge('jaxcolor_queue_depth', 'Pictures on the device or waiting for it', registry=self.registry)
        self.programs_left = Gauge('jaxcolor_programs_left', 'Programs to be compiled', registry=self.registry)
        self.batch_size = Histogram(
            'jaxcolor_batch_size',
            'Pictures that went to the device together',
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.films = Gauge('jaxcolor_films', 'Films that arrive, wait or are coloured', registry=self.registry)
        self.frames = Counter('jaxcolor_frames', 'Frames of films coloured', registry=self.registry)
        self.pixels = Counter('jaxcolor_pixels', 'Pixels of pictures coloured', registry=self.registry)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self.registry)
