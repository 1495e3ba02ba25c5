"""Setting one's status from a page: signed in by a token, which the browser then keeps.

There are no sessions here, though it looks like one: the cookie is the token itself, and with
every request the store is asked about it again. Whoever is refused sees the same page once
more, with the reason and with what they have typed. After what went well the browser is sent
on to the page, so that to load it again does not do it again.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from trio_finger.protocol.text import fold
from trio_finger.services.web._access import AccessError, Doorkeeper, Visitor
from trio_finger.services.web._answer import NEVER_KEPT, plain, respond
from trio_finger.services.web._pages import Pages
from trio_finger.services.web._session_cookie import TokenCookie
from trio_finger.services.web._session_form import Fields, FormError, parse_fields, read_fields
from trio_finger.store import StoreError
from trio_finger.usermap import Caller, RefusedError

# What the page says when a browser has been sent on to it, by what stands in its address:
# never any words from there. Each holds for those who are signed in, or for those who are not.
_DONE: Final = MappingProxyType(
    {
        ("set", True): "Your status is set.",
        ("cleared", True): "Your status is cleared.",
        ("signed-in", True): "You are signed in.",
        ("signed-out", False): "You are signed out.",
    }
)
_NO_COOKIE: Final = "Your browser has kept no cookie, and without one nobody is signed in here."

# No browser asks for a name and a password because of this, as it would with Basic.
_CHALLENGE: Final = 'Bearer realm="trio-finger"'


def add_session(app: QuartTrio, pages: Pages, doorkeeper: Doorkeeper) -> None:
    """Have *app* let people set their own status at ``/me``.

    Args:
      app: the app.
      pages: have the page.
      doorkeeper: knows the tokens.
    """

    def visit() -> _Visit:
        return _Visit(pages, doorkeeper)

    @app.get("/me")
    async def me() -> Response:
        page = visit()
        return await page.attempt(page.show)

    @app.post("/me/sign-in")
    async def sign_in() -> Response:
        page = visit()
        return await page.attempt(page.sign_in)

    @app.post("/me/status")
    async def set_my_status() -> Response:
        page = visit()
        return await page.attempt(page.set_status)

    @app.post("/me/sign-out")
    async def sign_out() -> Response:
        page = visit()
        return await page.attempt(page.sign_out)

    @app.get("/me/sign-in")
    @app.get("/me/status")
    @app.get("/me/sign-out")
    async def go_back() -> Response:
        """Send on who has only the address of what they did before."""
        return await respond(plain("See /me.", 303, ("location", f"{pages.base}/me")))

    @app.after_request
    async def keep_nothing(response: Response) -> Response:
        if f"{request.path}/".startswith("/me/"):
            response.headers.update(NEVER_KEPT)  # not even of faults that the app tells
        return response


class _Visit:
    """One request for the page, or from it: the one under way.

    Args:
      pages: have the page.
      doorkeeper: knows the tokens.
    """

    def __init__(self, pages: Pages, doorkeeper: Doorkeeper) -> None:
        self._pages = pages
        self._doorkeeper = doorkeeper
        self._cookie = TokenCookie(request, pages)
        self._caller: Caller | None = None
        self._fields: Fields = {}

    async def attempt(self, do: Callable[[], Awaitable[Response]]) -> Response:
        """Return what *do* answers, or else the page with the reason why that cannot be."""
        try:
            return await do()
        except (AccessError, FormError) as error:
            return await self._page(error.code, str(error))
        except RefusedError as error:
            return await self._page(400, str(error))
        except StoreError as error:
            return await self._page(503, str(error))

    async def show(self) -> Response:
        """Show the page, and say what has been done before."""
        if (token := self._cookie.token) is not None:
            try:
                self._caller = await self._doorkeeper.recognize(request, token)
            except AccessError as error:
                return await self._sign_off(error)
        done = request.args.get("done", "")
        if done == "signed-in" and self._caller is None:
            return await self._page(200, _NO_COOKIE, failed=True)
        return await self._page(200, _DONE.get((done, self._caller is not None), ""))

    async def sign_in(self) -> Response:
        """Have the browser keep the token that is sent, if it is one."""
        await self._doorkeeper.check_form(request)
        fields = await read_fields(request)
        # What they had typed when they turned out to be signed out.
        self._fields = {"status": fields.get("typed", ""), "for": fields.get("for", "")}
        token = fields.get("token", "").strip()
        self._caller = await self._doorkeeper.recognize(request, token)
        if self._fields["status"]:
            response = await self._page(200, "You are signed in. Nothing is set yet.")
        else:
            response = await self._lead_on("signed-in")
        self._cookie.keep(response, token)
        return response

    async def set_status(self) -> Response:
        """Set the status that is sent, or clear the one that is set."""
        await self._doorkeeper.check_form(request)
        fault = None
        try:
            self._fields = await read_fields(request)
        except FormError as error:
            fault = error  # the page with the reason shows who they are
        if (token := self._cookie.token) is None:
            raise await self._doorkeeper.refuse(request, 401, "setting a status takes a token")
        try:
            caller = await self._doorkeeper.recognize(request, token)
        except AccessError as error:
            return await self._sign_off(error)
        self._caller = caller
        if fault is not None:
            raise fault
        assert caller.name is not None  # every token is somebody's
        if fold(self._fields.get("name", caller.name)) != fold(caller.name):
            # In another tab they have signed in as somebody else since.
            raise FormError(409, f"you are signed in as {caller.name} by now, and nothing is set")
        asked = parse_fields(self._fields, caller.name)
        visitor = Visitor(self._doorkeeper, request, caller)
        if asked.status:
            await visitor.set(asked)
            return await self._lead_on("set")
        with suppress(RefusedError):  # of whom nothing is known, nothing has to be cleared
            await visitor.set(asked)
        return await self._lead_on("cleared")

    async def sign_out(self) -> Response:
        """Have the browser forget the token."""
        await self._doorkeeper.check_form(request)
        response = await self._lead_on("signed-out")
        self._cookie.drop(response)
        return response

    async def _sign_off(self, error: AccessError) -> Response:
        """Say that the token is good no more, and have the browser forget it."""
        response = await self._page(error.code, f"you are signed out: {error}")
        self._cookie.drop(response)
        return response

    async def _lead_on(self, done: str) -> Response:
        """Send the browser on to the page, which says what has been *done*."""
        there = "location", f"{self._pages.base}/me?done={done}"
        return await respond(plain("Done.", 303, there, *NEVER_KEPT))

    async def _page(self, code: int, words: str, *, failed: bool = False) -> Response:
        """Return the page that says *words*, and still has what was typed if that failed."""
        users = self._doorkeeper.users
        name = self._caller.name if self._caller is not None else None
        answer = self._pages.render(
            "me.html",
            code,
            caller=name,
            status=None if self._caller is None else users.own(self._caller),
            hidden=name is not None and users.is_hidden(name),
            words=_sentence(words),
            failed=failed or code != 200,
            typed=self._fields.get("status", ""),
            lasts=self._fields.get("for", ""),
        )
        response = await respond(replace(answer, headers=NEVER_KEPT))
        if code == 401:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response


def _sentence(words: str) -> str:
    """Return *words* as a sentence, if there are any: doors of one line have them without."""
    return words and f"{words[0].upper()}{words[1:].removesuffix('.')}."
