"""Tokens: what lets its bearer set one user's status from elsewhere.

A token is ``ID.SECRET``. The secret is 256 bits of chance, so a single SHA-256 of it is
as good as any slow hash, and nothing that is kept lets anybody find it.
"""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256

from trio_finger.store import Store, Token

_ID_BYTES = 6
_SECRET_BYTES = 32
_MAX_TOKEN = 200  # characters; ours have 52


def make_token(name: str, created: datetime, expires: datetime | None) -> tuple[str, Token]:
    """Make a token for *name*: the text for its bearer, and the record for the store."""
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    return f"{token_id}.{secret}", Token(token_id, name, _digest(secret), created, expires)


async def find_bearer(store: Store, text: str, now: datetime) -> Token | None:
    """Return the record of the token *text*; ``None`` if it is none, or has expired.

    Raises:
      StoreError: the store cannot tell.
    """
    if len(text) > _MAX_TOKEN or not text.isascii():
        return None
    token_id, _, secret = text.partition(".")
    found = await store.find_token(token_id)
    if found is None or not hmac.compare_digest(found.digest, _digest(secret)):
        return None
    return None if found.expires is not None and found.expires <= now else found


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
