"""In which roles people act, and in which the registry knows them."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from operator import itemgetter

from casetrail.domain.business_time import FIRST, LAST
from casetrail.domain.detectors.detector import SettingsAt, detector
from casetrail.domain.detectors.finding import Evidence, Finding, of_case
from casetrail.domain.detectors.history import History, Step
from casetrail.domain.happenings import Happening
from casetrail.domain.posts import RANKS, Post, post_at
from casetrail.domain.reserved import REGISTRY


@detector()
def role_not_given(history: History, settings: SettingsAt, now: datetime) -> Iterator[Finding | None]:
    """Somebody acted as a supervisor or commander, and the registry does not know them as one.

    Rule: somebody screened, assigned, reviewed, approved or did anything else in the case as a supervisor or commander, and
    by what the registry said when that was recorded, they had at that time another role (a commander may act as a
    supervisor), had left the agency, or worked for another one. Of each person only the first such act is named, until it
    is settled. Whom the registry does not know is taken at their word.

    Evidence: the act, and what the registry says of the person.

    Settled by: a review by another supervisor or commander of the case's own agency, or the case being reopened by them,
    if the registry does not say that they are none; or the registry saying later that the person was one by then.

    May be wrong: where somebody stands in for a supervisor, or was promoted, and the registry was not told. Tell it.

    Found in: any system in which everybody says for themselves what they are; four eyes see less where two of them may
    claim any rank.
    """
    own = history.case.facts.agency
    if not history.posts or not own:
        return
    settled_at: dict[str, datetime] = {}
    reviews: list[tuple[int, Step]] | None = None
    for place, step in enumerate(history.steps):
        actor = step.action.actor
        if actor.role not in RANKS or step.known_at < settled_at.get(actor.id, FIRST):
            continue
        post = _denied(history, step)
        if post is None:
            continue
        reviews = _reviews(history, own) if reviews is None else reviews
        later = islice(reviews, bisect_right(reviews, place, key=itemgetter(0)), None)
        review = next((one for _, one in later if one.action.actor.id != actor.id), None)
        ends = [_granted_at(history, step), None if review is None else review.known_at]
        until = settled_at[actor.id] = min((at for at in ends if at is not None), default=LAST)
        settled = review if review is not None and review.known_at == until else None
        says = f"acted as a {actor.role.value}, which the registry does not say"
        found = of_case(history, settings(step.known_at), step.known_at, [step], says, settled, now)
        if found is not None:
            found = replace(found, evidence=(*found.evidence, Evidence(REGISTRY, post.number, post.hash)))
            if settled is None and until <= now:
                found = replace(found, settled_at=until)  # by what the registry says
        yield found


def _denied(history: History, step: Step) -> Post | None:
    """What the registry said of who acted, if by that they have not the role in which they did."""
    actor = step.action.actor
    known = history.posts.get(actor.id)
    if known is None:
        return None
    post = post_at(known, step.at, step.known_at)
    return None if post is None or post.allows(actor) else post


def _granted_at(history: History, step: Step) -> datetime | None:
    """When the registry said, later, that who acted had the role by then; None where it never did."""
    actor = step.action.actor
    later = [post.known_at for post in history.posts[actor.id] if post.known_at > step.known_at]
    for known_at in sorted(later):
        post = post_at(history.posts[actor.id], step.at, known_at)
        if post is not None and post.allows(actor):
            return known_at
    return None


def _reviews(history: History, own: str) -> list[tuple[int, Step]]:
    """The steps by which a leader of the case's own agency looks through it, or reopens it, with their places."""
    some = history.which(Happening.REVIEWED, Happening.REOPENED, Happening.REOPENED_UNSCREENED)
    return [(place, step) for place, step in some if _is_leader(history, step, own)]


def _is_leader(history: History, step: Step, own: str) -> bool:
    actor = step.action.actor
    return actor.agency == own and actor.role in RANKS and _denied(history, step) is None
