"""The counts of every door, for Prometheus."""

from trio_finger.services.metrics._serve import serve_metrics

__all__ = ["serve_metrics"]
