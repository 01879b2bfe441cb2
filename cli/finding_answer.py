"""``casetrail findings answer``: somebody says something to a finding, on the record."""

from typing import Any

import click

from casetrail.cli.clocks import asked
from casetrail.cli.config import Config
from casetrail.cli.context import choice, guarded, moment, now, pass_config
from casetrail.cli.sealing import SEALING, NamesNobody, read_sealed, seal_all
from casetrail.cli.submit import action_id_of, actor_of, common_options, wanted_of
from casetrail.cli.submitting import submit
from casetrail.domain.actions import Action
from casetrail.domain.answering import FindingAnswered
from casetrail.domain.codes import FindingAnswer
from casetrail.domain.registry import REGISTRY


@click.command(cls=NamesNobody)
@click.argument("finding", metavar="FINDING")
@click.option("--answer", "code", type=choice(FindingAnswer), required=True, help="What is said to it.")
@click.option("--case", metavar="CASE", help="The case that it is about, if it is: then nothing else is read.")
@click.option(
    "--seal", SEALING, multiple=True, metavar="NAME=TEXT|@FILE|-", help="A text to seal (rationale, narrative, …)."
)
@common_options
@pass_config
@guarded
def answer(
    config: Config, finding: str, code: str, case: str | None, at: str | None, action_id: str | None, **given: Any
) -> None:
    """Answer a finding. That settles nothing: the answer stands beside it, in the history of the case or in the registry."""
    from casetrail.cli.findings import finding_named
    from casetrail.domain.detectors.finding import About

    chosen, when, actor = action_id_of(action_id), moment(config, at, "--at") if at else now(), actor_of(config)
    texts = read_sealed(given.pop(SEALING, ()))
    found = finding_named(config, asked(config, None, None, None), finding, case, is_present=True)
    stands_in = found.subject if found.about is About.CASE else REGISTRY
    sealed = seal_all(config, stands_in, chosen, texts)
    body = FindingAnswered(found.id, found.detector, FindingAnswer(code), sealed)
    submit(config, Action(chosen, stands_in, when, actor, body), wanted_of(given))
