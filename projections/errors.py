"""What can go wrong with views."""

from typing import Final

OWN: Final = "who may not write there makes views elsewhere: --views sqlite:FILE, before the command"
"""What an auditor does who is handed a folder to read."""


class ViewError(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what happened and what to do."""

    code = "view-error"


class ViewUnreachable(ViewError):
    """The database with the views does not answer."""

    code = "views-unreachable"


class StateUnreachable(ViewUnreachable):
    """A consumer's own file on this machine is in use, or cannot be opened, read or written: that is not the views' doing."""

    code = "state-unreachable"


class ViewAddressBad(ViewError):
    """The address of the views has no form that casetrail knows, or something else stands there.

    The message repeats no part that could be a password.
    """

    code = "views-address-bad"


class ViewMissing(ViewError):
    """There are no views there, or of another form. ``casetrail views rebuild`` makes them."""

    code = "views-missing"


class ViewNewer(ViewError):
    """The views were made by a newer version, or with what is missing here: whoever would make them anew would make less of them."""

    code = "views-newer"


class ViewDamaged(ViewError):
    """What stands behind the address of the views is garbled: that does not pass, but all that was in them stands in the log."""

    code = "views-damaged"


class ViewForeign(ViewError):
    """The views are those of another log: only whoever asks for it puts others in their place."""

    code = "views-of-another-log"


class ViewContradicted(ViewError):
    """The views have seen events that the log does not have: what they show is not what it says."""

    code = "views-contradicted"


class ViewMoved(ViewError):
    """Another projector has moved the views on, or they were swapped: begin anew from their position."""

    code = "views-moved"


class JudgingEnded(ViewError):
    """The process that judges has ended without a word: killed, or out of memory. Begin anew."""

    code = "judging-ended"


class RebuildingEnded(ViewError):
    """The process that builds the views anew has ended without a word: killed, or out of memory. Begin anew."""

    code = "rebuilding-ended"
