"""What can go wrong with a log. Each error has a stable code, a sentence for people, and what to do."""


class LogError(Exception):
    """Base of this room's errors. ``code`` is stable; the message says what happened, where, and what to do."""

    code = "log-error"


class LogUnreachable(LogError):
    """The log did not answer in time: broker down, network cut, file locked."""

    code = "log-unreachable"


class OtherProcess(LogError):
    """A connection is used in a process that was forked off the one that opened it: each opens its own."""

    code = "other-process"


class LogRefused(LogUnreachable):
    """The brokers refuse this user: a right is missing, or the password is wrong. 'casetrail log access' lists the rights."""

    code = "log-refused"


class LogDamaged(LogUnreachable):
    """What the log gives back fails its own checksum: a disk is damaged, or somebody has written to it."""

    code = "log-damaged"


class CodecMissing(LogUnreachable):
    """What somebody wrote to the log is compressed in a way that this installation cannot undo."""

    code = "codec-missing"


class LogReplaced(LogUnreachable):
    """The file of an embedded log is not the one that was opened: what is written to that one nobody would find again."""

    code = "log-replaced"


class LogMissing(LogError):
    """There is no log of that name there. ``casetrail log init`` makes one."""

    code = "log-missing"


class LogExists(LogError):
    """There is a log of that name already; it is left as it is."""

    code = "log-exists"


class EntryTooLarge(LogError):
    """An entry is larger than the log takes (see ``eventlog.limits``)."""

    code = "entry-too-large"


class WriterFenced(LogError):
    """Another recorder has taken over the partition. This one must stop writing to it."""

    code = "writer-fenced"


class OffsetGone(LogError):
    """The log no longer has the offset that was asked for: its beginning has been deleted."""

    code = "offset-gone"
