"""The finger door: RFC 1288 over TCP."""

from trio_finger.services.finger._answer import answer_query
from trio_finger.services.finger._door import Door
from trio_finger.services.finger._serve import handle_finger, serve_finger

__all__ = ["Door", "answer_query", "handle_finger", "serve_finger"]
