"""What goes in and out at the doors for programs, as JSON Schema (2020-12) has it."""

from typing import TypeAlias

from trio_finger.protocol.text import MAX_NAME, MAX_PLAN, MAX_STATUS

# A part of the description: what JSON calls an object.
Part: TypeAlias = dict[str, object]


def describe_schemas() -> Part:
    """Return every schema, by its name."""
    return {
        "Status": _object(
            "What one user is up to.",
            name=_text("As the user writes it."),
            status=_text("Empty where there is no status."),
            since=_moment("Since when it holds."),
            until=_end(),
            url=_address("The user's page."),
        ),
        "User": _object(
            "One user: the status, and the profile.",
            name=_text("As the user writes it."),
            status=_text("Empty where there is no status."),
            since=_moment("Since when it holds."),
            until=_end(),
            url=_address("The user's page."),
            full_name=_text(),
            project=_text("One line."),
            links=_list({"type": "string", "format": "iri"}),
            plan=_text("May have many lines."),
        ),
        "Users": _object(
            "A list of users.",
            users=_list(refer("Status")),
            next={
                "type": ["string", "null"],
                "format": "uri",
                "description": "Where the list goes on, if it does.",
            },
        ),
        "Change": {
            "description": "What a follower of the live feed is told.",
            "oneOf": [refer("Hello"), refer("StatusChange"), refer("Gone")],
        },
        "Hello": _object(
            "What every follower is told first, and again when changes were missed.",
            type={"const": "hello"},
            server={"const": "trio-finger"},
            id=_number("Of the newest change that need not be told."),
            missed={"type": "boolean", "description": "Whether changes were missed."},
        ),
        "StatusChange": _object(
            "A status holds from now on.",
            type={"const": "status"},
            id=_number("Of this change."),
            name=_text("The user's."),
            status=_text("Empty where there is no status."),
            since=_moment("Since when it holds."),
            until=_end(),
        ),
        "Gone": _object(
            "A user is there no more.",
            type={"const": "gone"},
            id=_number("Of this change."),
            name=_text("The user's."),
        ),
        "SetStatus": {
            "description": "What to set. An empty status or plan, or null, clears it.",
            "type": "object",
            "properties": {
                "name": _text("The same as in the path, if it is there at all."),
                "status": _clearable(f"One line, {MAX_STATUS} bytes of UTF-8 at most."),
                "plan": _clearable(f"{MAX_PLAN} bytes of UTF-8 at most."),
                "for": _text("How long the status holds, such as 30m."),
                "until": _text("When it ends instead, such as 17:30, or as RFC 3339 has it."),
            },
            "additionalProperties": False,
            "anyOf": [{"required": ["status"]}, {"required": ["plan"]}],
            "dependentRequired": {"for": ["status"], "until": ["status"]},
            "not": {"required": ["for", "until"]},
        },
        "Error": _object("What went wrong.", error=_text("One line.")),
        "Feed": _object(
            "A JSON Feed 1.1: https://www.jsonfeed.org/version/1.1/",
            version={"const": "https://jsonfeed.org/version/1.1"},
            title=_text(),
            home_page_url=_address("A page that shows the same to people."),
            feed_url=_address("The feed itself."),
            icon=_address("A square picture."),
            items=_list(refer("Item")),
        ),
        "Item": _object(
            "One thing that was said.",
            id=_address("Names it for ever."),
            url=_address("The user's page."),
            title=_text("One line."),
            content_text=_text("All of it."),
            date_published=_moment("When it was said."),
            authors=_list(
                _object("Who said it.", name=_text(), url=_address("The user's page.")),
            ),
        ),
        "Descriptor": _object(
            "A JSON Resource Descriptor: RFC 7033, 4.4.",
            subject=_address("The account."),
            aliases=_list(_address("What else it is called.")),
            properties={"type": "object", "additionalProperties": _text()},
            links=_list(refer("Link")),
        ),
        "Link": {
            **_object("One thing that there is.", rel=_text(), type=_text(), href=_address()),
            "required": ["rel", "href"],
        },
        "Name": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME,
            "description": "In any spelling: letters are the same, large or small.",
        },
    }


def refer(name: str, kind: str = "schemas") -> Part:
    """Return what stands for the component that is called *name*."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(description: str, **properties: Part) -> Part:
    """Return the schema of an object that has all of *properties*."""
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _list(items: Part) -> Part:
    return {"type": "array", "items": items}


def _text(description: str = "") -> Part:
    return {"type": "string", "description": description} if description else {"type": "string"}


def _clearable(description: str) -> Part:
    return {"type": ["string", "null"], "description": description}


def _moment(description: str) -> Part:
    return {**_text(description), "format": "date-time"}


def _end() -> Part:
    return {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "When it ends, if it does by itself.",
    }


def _address(description: str = "") -> Part:
    return {**_text(description), "format": "uri"}


def _number(description: str) -> Part:
    return {**_text(description), "pattern": "^[0-9]+$"}
