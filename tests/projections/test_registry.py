"""What the registry says of policies is read anew whenever some cases are judged; the texts are not."""

from casetrail.domain.policy import Policy
from casetrail.domain.policy_file import PolicyFileInvalid
from casetrail.domain.registry import REGISTRY, PolicyAdopted
from casetrail.projections.registry import preset_text, readable
from tests.actions import HAPPENED
from tests.domain.registry_examples import COMMANDER
from tests.domain.surveying import told


def adopted(text: str) -> Policy | PolicyFileInvalid:
    """What is read of a policy that was adopted."""
    ((_, found),) = readable(told(REGISTRY, (HAPPENED, COMMANDER, PolicyAdopted(HAPPENED, text.encode()))))
    return found


def test_a_text_is_read_once_and_another_is_another_policy() -> None:
    missouri = adopted(preset_text("missouri"))
    assert isinstance(missouri, Policy)
    assert adopted(preset_text("missouri")) is missouri
    assert adopted(preset_text("generic")) != missouri


def test_a_text_that_is_no_policy_is_none_however_often_it_is_read() -> None:
    assert [type(adopted("nothing = 1")) for _ in range(2)] == [PolicyFileInvalid] * 2
