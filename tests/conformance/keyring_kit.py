"""What every keyring promises. A test module names its adapter by the fixtures ``url``, ``stored`` and ``raw``."""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casetrail.privacy.errors import KeyDestroyed, KeyMissing, MasterKeyBad, NotSealable
from casetrail.privacy.keyring import Keyring
from casetrail.privacy.opening import open_keyring
from casetrail.privacy.wrapping import LocalWrapper

AT = datetime(2026, 11, 24, 12, 30, 0, 250_000, tzinfo=UTC)

OTHER_PROCESS = """
import json, sys
from pathlib import Path
from casetrail.privacy.opening import open_keyring
url, master = sys.argv[1:]
print("ready", flush=True)
case_ids = json.loads(sys.stdin.readline())
keyring = open_keyring(url, Path(master))
keys = {case_id: keyring.create_case_key(case_id).hex() for case_id in case_ids[:20]}
keys |= {case_id: key.hex() for case_id, key in keyring.create_case_keys(case_ids).items()}
print(json.dumps([keyring.token_key().hex(), keys]))
"""


class KeyringKit:
    """The tests. ``stored`` gives a case's wrapped key as it lies there, ``raw`` all bytes of the storage."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def stored(self, url: str) -> Callable[[str], bytes | None]:
        raise NotImplementedError

    @pytest.fixture
    def raw(self, url: str) -> Callable[[], bytes]:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def no_master_key_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CASETRAIL_MASTER_KEY", raising=False)

    @pytest.fixture
    def master(self, tmp_path: Path) -> Path:
        return tmp_path / "a.master"

    @pytest.fixture
    def open_again(self, url: str, master: Path) -> Iterator[Callable[[], Keyring]]:
        with contextlib.ExitStack() as stack:

            def again() -> Keyring:
                return stack.enter_context(contextlib.closing(open_keyring(url, master)))

            yield again

    @pytest.fixture
    def keyring(self, open_again: Callable[[], Keyring]) -> Keyring:
        return open_again()

    def test_a_case_keeps_the_key_that_it_got_first(self, keyring: Keyring, open_again: Callable[[], Keyring]) -> None:
        key = keyring.create_case_key("KC-1")
        assert len(key) == 32
        assert key == keyring.create_case_key("KC-1") == keyring.case_key("KC-1")
        assert key == open_again().case_key("KC-1") == open_again().create_case_keys(["KC-1"])["KC-1"]

    def test_cases_have_different_keys(self, keyring: Keyring) -> None:
        keys = keyring.create_case_keys(f"KC-{number}" for number in range(50))
        assert len(set(keys.values()) | {keyring.token_key()}) == 51

    def test_a_case_without_a_key_is_said_to_have_none(self, keyring: Keyring) -> None:
        with pytest.raises(KeyMissing) as caught:
            keyring.case_key("KC-1")
        assert (caught.value.code, caught.value.case_id) == ("key-missing", "KC-1")
        assert keyring.count() == 0

    def test_a_batch_finds_what_is_there_and_makes_the_rest(self, keyring: Keyring) -> None:
        first = keyring.create_case_key("KC-7")
        case_ids = [f"KC-{number}" for number in range(2_500)]
        keys = keyring.create_case_keys([*case_ids, "KC-3"])
        assert list(keys) and keys.keys() == set(case_ids)
        assert keys["KC-7"] == first
        assert keyring.count() == 2_500
        assert keyring.create_case_keys([]) == {}

    def test_there_is_one_token_key_and_no_case_can_reach_it(
        self, keyring: Keyring, open_again: Callable[[], Keyring]
    ) -> None:
        assert len(keyring.token_key()) == 32
        assert keyring.token_key() == open_again().token_key()
        assert keyring.count() == 0

    def test_no_key_is_stored_as_it_is(self, keyring: Keyring, raw: Callable[[], bytes]) -> None:
        keys = keyring.create_case_keys(["KC-1", "KC-2"])
        stored = raw()
        assert not any(key in stored for key in (*keys.values(), keyring.token_key()))

    def test_a_destroyed_key_is_never_made_again(self, keyring: Keyring, open_again: Callable[[], Keyring]) -> None:
        keyring.create_case_keys(["KC-1", "KC-2"])
        keyring.destroy_case_key("KC-1", "court-order", AT)
        for one in (keyring, open_again()):
            for attempt in (
                one.case_key,
                one.create_case_key,
                lambda case_id, one=one: one.create_case_keys([case_id]),
            ):
                with pytest.raises(KeyDestroyed) as caught:
                    attempt("KC-1")
                assert (caught.value.case_id, caught.value.reason_code, caught.value.at) == ("KC-1", "court-order", AT)
            one.case_key("KC-2")
            assert one.count() == 1

    def test_a_destroyed_key_is_gone_from_the_storage(
        self, keyring: Keyring, stored: Callable[[str], bytes | None], raw: Callable[[], bytes]
    ) -> None:
        case_ids = [f"KC-{number:04}" for number in range(600)]
        random.Random(7).shuffle(case_ids)
        for start in range(0, 600, 60):
            keyring.create_case_keys(case_ids[start : start + 60])
        gone = {case_id: stored(case_id) for case_id in (*case_ids[:6], *case_ids[-6:])}
        kept = stored(case_ids[300])
        assert kept is not None and kept in raw()
        for case_id, wrapped in gone.items():
            assert wrapped is not None and wrapped in raw()
            keyring.destroy_case_key(case_id, "expunged", AT)
        after = raw()
        assert kept in after
        for case_id, wrapped in gone.items():
            assert stored(case_id) is None
            assert wrapped is not None and wrapped not in after and wrapped[:12] not in after

    def test_destroying_once_more_keeps_the_first_reason(self, keyring: Keyring) -> None:
        keyring.create_case_key("KC-1")
        keyring.destroy_case_key("KC-1", "court-order", AT)
        keyring.destroy_case_key("KC-1", "retention", AT.replace(year=2027))
        with pytest.raises(KeyDestroyed) as caught:
            keyring.case_key("KC-1")
        assert (caught.value.reason_code, caught.value.at) == ("court-order", AT)

    def test_a_mistyped_case_is_not_reported_as_destroyed(self, keyring: Keyring) -> None:
        with pytest.raises(KeyMissing):
            keyring.destroy_case_key("KC-l", "court-order", AT)
        assert len(keyring.create_case_key("KC-l")) == 32

    def test_one_destroyed_case_stops_a_batch_before_anything_is_made(self, keyring: Keyring) -> None:
        keyring.create_case_key("KC-2")
        keyring.destroy_case_key("KC-2", "court-order", AT)
        with pytest.raises(KeyDestroyed):
            keyring.create_case_keys(["KC-1", "KC-2", "KC-3"])
        assert keyring.count() == 0
        assert len(keyring.create_case_key("KC-1")) == 32

    def test_a_reason_is_a_code_and_a_time_has_a_zone(self, keyring: Keyring) -> None:
        keyring.create_case_key("KC-1")
        with pytest.raises(NotSealable):
            keyring.destroy_case_key("KC-1", "asked for by the mother", AT)
        with pytest.raises(NotSealable):
            keyring.destroy_case_key("KC-1", "court-order", AT.replace(tzinfo=None))
        keyring.case_key("KC-1")

    def test_a_case_id_that_is_none_is_refused(self, keyring: Keyring) -> None:
        with pytest.raises(NotSealable):
            keyring.create_case_keys(["KC-1", "Jane Doe"])
        assert keyring.count() == 0

    def test_another_master_key_is_refused_at_once(self, keyring: Keyring, url: str) -> None:
        with pytest.raises(MasterKeyBad):
            open_keyring(url, wrapper=LocalWrapper(b"another master key of 32 bytes!!"))
        assert len(keyring.create_case_key("KC-1")) == 32

    def test_a_lost_master_key_is_not_replaced(self, keyring: Keyring, url: str, master: Path) -> None:
        keyring.create_case_key("KC-1")
        master.rename(master.with_suffix(".lost"))
        with pytest.raises(MasterKeyBad, match="backup"):
            open_keyring(url, master)
        assert not master.exists()

    def test_a_key_management_service_can_stand_in_for_the_master_key(self, url: str, master: Path) -> None:
        calls: list[str] = []

        class Service(LocalWrapper):
            def wrap(self, key: bytes) -> bytes:
                calls.append("wrap")
                return b"service:" + super().wrap(key)

            def unwrap(self, wrapped: bytes) -> bytes:
                calls.append("unwrap")
                return super().unwrap(wrapped.removeprefix(b"service:"))

        with contextlib.closing(open_keyring(url, wrapper=Service(bytes(32)))) as keyring:
            key = keyring.create_case_key("KC-1")
            assert keyring.case_key("KC-1") == key
        assert {"wrap", "unwrap"} <= set(calls)
        assert not master.exists()

    def test_threads_share_a_keyring(self, keyring: Keyring) -> None:
        seen: list[dict[str, bytes]] = []

        def work(seed: int) -> None:
            case_ids = [f"KC-{number}" for number in range(40)]
            random.Random(seed).shuffle(case_ids)
            seen.append({case_id: keyring.create_case_key(case_id) for case_id in case_ids})

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 4 and all(keys == seen[0] for keys in seen)

    def test_processes_that_create_the_same_keys_at_once_get_the_same(self, url: str, master: Path) -> None:
        command = [sys.executable, "-c", OTHER_PROCESS, url, str(master)]
        processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ.copy(),
            )
            for _ in range(3)
        ]
        case_ids = [f"KC-{number}" for number in range(300)]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        answers = []
        for seed, process in enumerate(processes):
            assert process.stdin is not None
            random.Random(seed).shuffle(case_ids)
            ordered = sorted(case_ids[:20]) + case_ids[20:]
            process.stdin.write(json.dumps(ordered) + "\n")
            process.stdin.flush()
        for process in processes:
            out, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
            answers.append(json.loads(out))
        assert len(answers[0][1]) == 300
        assert answers[0] == answers[1] == answers[2]
