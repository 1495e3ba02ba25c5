"""Who may set something over the web: whoever bears a token, from no site but ours."""

from collections import OrderedDict
from collections.abc import Collection
from ipaddress import IPv6Network

import trio
from quart import Request

from trio_finger.log import get_log
from trio_finger.protocol.address import parse_ip
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import fold
from trio_finger.services.web._origin import is_foreign
from trio_finger.store import StoreError
from trio_finger.usermap import Caller, DeniedError, Status, UserMap

# Each failure from one place makes the next answer to it come later, up to the longest
# delay, until something is set from there, or for a while nothing fails. All in seconds.
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 4
_FORGET_AFTER = 300

_MAX_PLACES = 10_000  # whose failures are remembered; the longest quiet one goes first

_FOREIGN = "another site may not set anything here"
_WRONG = "this token is not, or no longer, valid"

log = get_log("web")


class AccessError(Exception):
    """A request that may not set anything; ``str()`` of it says why, fit to show.

    Attributes:
      code: the HTTP status: 401 for credentials that are missing or wrong, 403 where they
        would not help.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Doorkeeper:
    """Says who asks, and slows down those who are wrong about that.

    Args:
      users: knows the tokens.
      names: what browsers may call us, casefolded.
    """

    def __init__(self, users: UserMap, names: Collection[str]) -> None:
        self.users = users
        self._names = names
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def identify(self, request: Request) -> Caller:
        """Return who sends *request*.

        Raises:
          AccessError: nobody who may set anything.
          StoreError: the store cannot tell.
        """
        if self._is_foreign(request):
            raise await self.refuse(request, 403, _FOREIGN)
        given = request.authorization
        if given is None or given.type not in ("bearer", "basic"):
            raise await self.refuse(request, 401, "setting a status takes a token")
        token = given.token if given.type == "bearer" else given.password
        caller = await self.recognize(request, token or "")
        if given.type == "basic" and not _same(given.username, caller.name):
            raise await self.refuse(request, 401, _WRONG)
        return caller

    async def recognize(self, request: Request, token: str) -> Caller:
        """Return who bears *token*, which has come with *request*.

        Raises:
          AccessError: nobody.
          StoreError: the store cannot tell.
        """
        caller = await self.users.identify(token)
        if caller is None:
            raise await self.refuse(request, 401, _WRONG)
        return caller

    async def check_form(self, request: Request) -> None:
        """Make sure that *request* is a form of ours, before a cookie counts that came with it.

        A browser sends cookies by itself, and says with every form where that is from. So
        one who does not say so is refused here; and what is said without an Origin holds only
        of a host that is ours, as with one (see `is_foreign`).

        Raises:
          AccessError: it is none, or does not say so.
        """
        headers = request.headers
        if "Origin" not in headers and "Sec-Fetch-Site" not in headers:
            raise await self.refuse(
                request, 403, "the browser does not say where this form is from"
            )
        if self._is_foreign(request, f"{request.scheme}://{request.host}"):
            raise await self.refuse(request, 403, _FOREIGN)

    async def refuse(self, request: Request, code: int, words: str) -> AccessError:
        """Count, log and slow down a request that is refused; return the error to raise."""
        count = self._count(_place(request.remote_addr))
        peer = _host(request.remote_addr)
        log.warning("denied", peer=peer, path=request.path, reason=words, failures=count)
        await trio.sleep(min(_FIRST_DELAY * 2 ** min(count - 1, 10), _LONGEST_DELAY))
        return AccessError(code, words)

    def forgive(self, request: Request) -> None:
        """Forget the failures from where *request*, with which all is well, comes from."""
        self._failures.pop(_place(request.remote_addr), None)

    def _count(self, place: str) -> int:
        """Count a failure from *place*, and return how many there were lately."""
        now = trio.current_time()
        count, last = self._failures.pop(place, (0, now))
        if now - last > _FORGET_AFTER:
            count = 0
        self._failures[place] = count + 1, now
        if len(self._failures) > _MAX_PLACES:
            self._failures.popitem(last=False)
        return count + 1

    def _is_foreign(self, request: Request, origin: str | None = None) -> bool:
        """Whether a page that is not ours has sent *request*; from *origin* if it does not say."""
        headers = request.headers
        return is_foreign(
            headers.get("Origin", origin),
            headers.get("Sec-Fetch-Site"),
            request.host,
            secure=request.scheme == "https",
            names=self._names,
        )


class Visitor:
    """Whoever sends one request: asked who they are when that matters, and only once.

    Args:
      doorkeeper: knows who they are.
      request: what they send.
      caller: who they are, if that has been found out already.
    """

    def __init__(
        self, doorkeeper: Doorkeeper, request: Request, caller: Caller | None = None
    ) -> None:
        self._doorkeeper = doorkeeper
        self._request = request
        self._found: Caller | AccessError | None = caller
        self._denied = False

    async def identify(self) -> Caller:
        """Return who they are.

        Raises:
          AccessError: nobody who may set anything.
          StoreError: the store cannot tell.
        """
        if self._found is None:
            try:
                self._found = await self._doorkeeper.identify(self._request)
            except AccessError as error:
                self._found = error
        if isinstance(self._found, AccessError):
            raise self._found
        return self._found

    async def set(self, asked: SetRequest) -> Status | None:
        """Do what they ask for, and return what holds now, as they may know it.

        However often they ask for what they may not do, it is one failure.

        Raises:
          AccessError: they may not have it done.
          RefusedError: it makes no sense.
          StoreError: it could not be kept, or the store cannot tell who they are.
        """
        caller = await self.identify()
        try:
            status = await self._doorkeeper.users.set(asked, by=caller)
        except DeniedError as error:
            if self._denied:
                raise AccessError(403, str(error)) from None
            self._denied = True
            raise await self._doorkeeper.refuse(self._request, 403, str(error)) from None
        except StoreError as error:
            log.error("not kept", reason=str(error))  # noqa: TRY400
            raise
        if not self._denied:
            self._doorkeeper.forgive(self._request)
        if not self._doorkeeper.users.is_hidden(asked.name):
            peer = _host(self._request.remote_addr)
            log.info("cleared" if asked.status == "" else "set", peer=peer, user=asked.name)
        return status


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and fold(one) == fold(other)


def _host(host: str | None) -> str:
    """Return from whom a request comes, in the same word as in the log of every other door."""
    try:
        ip = parse_ip(host or "")
    except ValueError:
        return host or "?"
    return str(ip) if ip.version == 4 else host or "?"


def _place(host: str | None) -> str:
    """Return where a request comes from: of IPv6 the network, for one host may have all of it."""
    try:
        ip = parse_ip(host or "")
    except ValueError:
        return host or "?"
    return str(ip if ip.version == 4 else IPv6Network((ip, 64), strict=False))
