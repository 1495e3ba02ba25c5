"""Reading who a proxy speaks for, before anything else is done with its connection."""

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.protocol.proxy import ProxyError, parse_proxy_header

_CHUNK = 4096  # bytes


async def read_proxy_header(stream: AcceptedStream, deadline: float) -> None:
    """Read the PROXY header that *stream* begins with, and go by what it says.

    What follows it stays to be received. Where it names nobody, because the proxy asks for
    itself, `AcceptedStream.source` stays what it was.

    Raises:
      ProxyError: there is none.
      trio.TooSlowError: it was not whole by *deadline*, of Trio's clock.
      trio.BrokenResourceError: the proxy is gone.
    """
    data = bytearray()
    with trio.fail_at(deadline):
        while (header := parse_proxy_header(data)) is None:
            chunk = await stream.receive_some(_CHUNK)
            if not chunk:
                raise ProxyError("the connection ended in the PROXY header, or before it")
            data += chunk
    stream.put_back(bytes(data[header.size :]))
    if header.source is not None:
        stream.source = header.source
