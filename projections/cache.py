"""Histories of cases in memory: the ones used last, and those that have changed and are not written yet."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from casetrail.eventlog.outcome import History

CACHED_CASES: Final = 20_000

Load = Callable[[Sequence[str]], dict[str, History]]


class HistoryCache:
    """A bounded cache over wherever histories are stored. Changed ones stay until ``written`` is called."""

    def __init__(self, load: Load, cached: int = CACHED_CASES) -> None:
        self._load, self._cached = load, cached
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._changed: dict[str, int] = {}  # case id: its partition

    def prepare(self, case_ids: Iterable[str]) -> None:
        """Read the histories of these cases at once; ``history`` then finds them in memory."""
        missing = [case_id for case_id in dict.fromkeys(case_ids) if case_id not in self._histories]
        if missing:
            found = self._load(missing)
            for case_id in missing:
                self._histories[case_id] = found.get(case_id) or History.empty(case_id)

    def history(self, case_id: str) -> History:
        """The history of a case: the object that is kept, to be changed in place and then marked as ``changed``."""
        found = self._histories.get(case_id)
        if found is None:
            self.prepare((case_id,))
            found = self._histories[case_id]
        self._histories.move_to_end(case_id)
        return found

    def changed(self, case_id: str, partition: int) -> None:
        """This history is not what is stored any more."""
        self._changed[case_id] = partition

    @property
    def unwritten(self) -> int:
        """How many changed histories are in memory only."""
        return len(self._changed)

    def changes(self) -> Iterator[tuple[int, History]]:
        """The changed histories, each with its partition."""
        return ((partition, self._histories[case_id]) for case_id, partition in self._changed.items())

    def written(self) -> None:
        """All changes are stored: forget which they were, and the cases used least."""
        self._changed.clear()
        while len(self._histories) > self._cached:
            self._histories.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: what is in memory is not what is stored."""
        self._histories.clear()
        self._changed.clear()
