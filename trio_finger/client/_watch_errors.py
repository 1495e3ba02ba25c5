"""What can keep us from following a live door."""


class LostError(Exception):
    """There is no connection any more, or never was; ``str()`` of it says why."""


class RefusedError(Exception):
    """There is no live door there, and trying again would not help; ``str()`` says why."""


def leaf(error: BaseException) -> BaseException:
    """Return *error*, or if it is a group, the first error that is in it, at any depth.

    Of several tasks around one connection only one finds out what is wrong with it, so there
    is no other; but it comes in as many groups as there are nurseries around that task.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
