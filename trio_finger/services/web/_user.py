"""One user, told in the form that is asked for: by the app, and by the lane beside it."""

from trio_finger.protocol.accept import Form
from trio_finger.services.web._answer import Answer
from trio_finger.services.web._long import SHORT, Long
from trio_finger.services.web._pages import Pages
from trio_finger.sources import Asker
from trio_finger.store import Past, StoreError


async def tell_user(pages: Pages, name: str, form: Form, url: str, asker: Asker) -> Answer | Long:
    """Tell what there is to tell of one user; of the history what is known of it.

    Args:
      pages: tells of users.
      name: in any spelling.
      form: of the answer.
      url: our public address.
      asker: for whom.

    Raises:
      UnavailableError: that cannot be said just now.
    """
    if form is Form.HTML and (page := pages.at_hand(name)) is not None:
        return page
    directory = pages.directory
    users = await directory.find([name], asker)
    before = users.get(name)
    if before is None:
        return pages.nobody(name, form)
    history: list[Past] = []
    is_whole = form is Form.HTML
    if is_whole:
        try:
            history = await directory.users.history(name)
        except StoreError:
            is_whole = False  # the status itself is in memory
    status = users.get(name)
    if status is None:  # gone meanwhile
        return pages.nobody(name, form)
    profile = users.profile(name)
    if len(profile.plan) > SHORT:
        return pages.long_user(status, profile, form, url, history)
    # The history has everything that was set only if nothing was set meanwhile.
    keep = is_whole and status == before and directory.is_plain
    return pages.user(status, profile, form, url, history, keep=keep)
