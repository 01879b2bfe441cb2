"""What can go wrong with the report."""


class SunlightError(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what is wrong, and what to do."""

    code = "sunlight-error"


class FolderTaken(SunlightError):
    """The folder holds something that is no edition of the report."""

    code = "folder-taken"


class TooSoon(SunlightError):
    """The edition that is replaced is so recent that the difference of both tells of single reports."""

    code = "too-soon"


class MomentTooEarly(SunlightError):
    """The moment lies before what the events speak of: what came later would be counted, too."""

    code = "moment-too-early"


class ViewsMoving(SunlightError):
    """The judgements do not stand where the views stand."""

    code = "views-moving"


class BeyondTheLog(SunlightError):
    """More events were asked for than the log has."""

    code = "beyond-the-log"
