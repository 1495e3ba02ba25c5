"""What comes back from the doors for programs, as the description of them has it."""

from trio_finger.protocol.accept import Form
from trio_finger.services.web._answer import XML
from trio_finger.services.web._openapi_schemas import Part, refer


def describe_responses() -> Part:
    """Return the responses that many doors have, by their names."""
    return {
        "Unknown": in_any_form("There is no such user.", "Error"),
        "Later": {
            **in_any_form("Where this status comes from does not answer just now.", "Error"),
            **_retry(),
        },
        "Fault": in_any_form("It cannot be done, for this reason.", "Error"),
    }


def respond_with(description: str, content_type: str, schema: Part) -> Part:
    """Return a response of one type; *description* says what it is."""
    kind = content_type.partition(";")[0]
    return {"description": description, "content": {kind: {"schema": schema}}}


def text(description: str, content_type: str = Form.TEXT.value) -> Part:
    """Return a response that is text."""
    return respond_with(description, content_type, {"type": "string"})


def later(description: str) -> Part:
    """Return a response of plain text that says when to come back."""
    return {**text(description), **_retry()}


def xml(description: str) -> Part:
    """Return a response of XML-RPC."""
    return text(description, XML)


def challenge(response: Part) -> Part:
    """Return *response* with what asks for credentials."""
    return {**response, "headers": {"WWW-Authenticate": _header("Which kinds of them count.")}}


def in_any_form(description: str, schema: str) -> Part:
    """Return a response that has the form that Accept asks for; *schema* is that of JSON."""
    return {
        "description": description,
        "content": {
            form.value: {"schema": refer(schema) if form is Form.JSON else {"type": "string"}}
            for form in Form
        },
    }


def fault(name: str) -> Part:
    """Return what stands for one of the responses that many doors have."""
    return refer(name, "responses")


def _retry() -> Part:
    return {"headers": {"Retry-After": _header("In how many seconds it is worth trying again.")}}


def _header(description: str) -> Part:
    return {"description": description, "required": True, "schema": {"type": "string"}}
