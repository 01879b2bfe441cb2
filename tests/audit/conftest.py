"""Fixtures of the auditors' tests: a story to tamper with, told once for each file of tests, and copied for each test."""

from pathlib import Path

import pytest

from tests.audit.verifying import Story, told


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What ``story`` copies."""
    story = told(tmp_path_factory.mktemp("template"))
    story.log.close()
    return story


@pytest.fixture
def story(template: Story, tmp_path: Path) -> Story:
    """240 submissions in one partition, 80 under each of three checkpoints; nothing has been tampered with."""
    return template.copy(tmp_path)
