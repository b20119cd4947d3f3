"""What a server counts, for Prometheus. Of several workers, any of them answers for all."""

import os
from typing import Any

# it reads PROMETHEUS_MULTIPROC_DIR when it is imported, which the supervisor has set before
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from .batching import Job

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
TYPE = CONTENT_TYPE_LATEST.encode()
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of this worker. They are told of a request after it was answered."""

    def __init__(self) -> None:
        self.own = CollectorRegistry()
        to: Any = {"registry": self.own}
        self.requests = Counter("reszoo_requests", "Requests, by route and status.", ("route", "code"), **to)
        self.seconds = Histogram(
            "reszoo_request_seconds", "From the whole request to its answer.", buckets=SECONDS, **to
        )
        self.queued = Histogram("reszoo_queue_seconds", "That images waited to be computed.", buckets=SECONDS, **to)
        self.computed = Histogram("reszoo_compute_seconds", "That their batch took.", buckets=SECONDS, **to)
        self.batch = Histogram(
            "reszoo_batch_images", "Images computed together, seen from each request.", buckets=IMAGES, **to
        )
        self.images = Counter("reszoo_images", "Images that were computed.", **to)
        self.waiting = Gauge("reszoo_waiting_images", "Images that wait.", multiprocess_mode="livesum", **to)

    def count(self, route: str, code: int) -> None:
        self.requests.labels(route, str(code)).inc()

    def answered(self, route: str, seconds: float, job: Job) -> None:
        """A request that was computed."""
        self.count(route, 200)
        self.seconds.observe(seconds)
        self.queued.observe(job.queued_s)
        self.computed.observe(job.computed_s)
        self.batch.observe(job.together)
        self.images.inc(len(job.batch))

    def text(self) -> bytes:
        registry = self.own
        if os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
