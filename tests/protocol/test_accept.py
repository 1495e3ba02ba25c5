"""Which form of an answer a client wants (RFC 9110, 12.5.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.protocol.accept import Form, choose_form

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.HTML),
        ("*/*", Form.HTML),
        (CHROMIUM, Form.HTML),
        ("text/html", Form.HTML),
        ("application/json", Form.JSON),
        ("APPLICATION/JSON", Form.JSON),
        ("application/json; charset=utf-8", Form.JSON),
        ("application/*", Form.JSON),
        ("application/json, text/plain, */*", Form.JSON),
        ("text/plain", Form.TEXT),
        ("text/*", Form.HTML),
        ("text/plain;q=0.9, application/json;q=0.5", Form.TEXT),
        ("text/html;q=0, text/*", Form.TEXT),
        ("text/html;q=0", Form.JSON),
        ("text/html;q=0, application/json;q=0", Form.TEXT),
        ("*/*;q=0", Form.HTML),
        ("*/*;q=0.1, application/json;q=0.05", Form.HTML),
        ("image/png", Form.HTML),
        ("text/html;q=x, application/json;q=0.1", Form.HTML),
        ("nonsense", Form.HTML),
        (", ,;q=1,/,text/", Form.HTML),
    ],
)
def test_by_accept(accept: str, form: Form) -> None:
    """The form is the one with the greatest weight, and of equals the page."""
    assert choose_form(accept, "Mozilla/5.0") is form
    assert choose_form(accept, "") is form


@pytest.mark.parametrize(
    "agent", ["curl/8.5.0", "Wget/1.21", "HTTPie/3.2", "xh/0.22", "fetch libfetch/2.0"]
)
def test_terminal(agent: str) -> None:
    """A client of the terminal gets plain text, if it does not ask for something else."""
    assert choose_form("*/*", agent) is Form.TEXT
    assert choose_form("", agent) is Form.TEXT
    assert choose_form("text/html", agent) is Form.HTML
    assert choose_form("application/json", agent) is Form.JSON
    assert choose_form("text/plain;q=0", agent) is Form.HTML
    assert choose_form("text/html;q=0", agent) is Form.TEXT


@pytest.mark.parametrize("agent", ["curly/1", "Mozilla/5.0 curl/8", "python-requests/2"])
def test_no_terminal(agent: str) -> None:
    """Others are not taken for one."""
    assert choose_form("*/*", agent) is Form.HTML


@given(st.text(), st.text())
def test_anything(accept: str, agent: str) -> None:
    """Whatever a client sends, there is a form for it."""
    assert choose_form(accept, agent) in Form
