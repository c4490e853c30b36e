"""Backup and restore, on the embedded server and on the system's: all comes back, or nothing."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from kvit.platform import backup, durable_log, epoch, provision
from kvit.platform.backup import BackupFailed
from kvit.platform.connection import conninfo
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.epoch import Epoch

pytestmark = [pytest.mark.slow, pytest.mark.embedded]
NOW = datetime(2026, 11, 23, 2, 45, tzinfo=UTC)


@pytest.fixture
def access(admin_url: str) -> Iterator[Access]:
    """A database that holds a table under row-level security, as Kvit's do."""
    made = provision.prepare_external(admin_url, database="kvit_backup")
    execute(
        made,
        """
        CREATE TABLE account (tenant_id int, balance bigint, word text);
        ALTER TABLE account ENABLE ROW LEVEL SECURITY;
        ALTER TABLE account FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON account USING (tenant_id = 1);
        CREATE INDEX ON account USING gin (word gin_trgm_ops);
        GRANT SELECT ON account TO kvit_app;
        INSERT INTO account VALUES (1, 2215009, 'яблоко'), (2, 646363, 'груша');
        """,
    )
    yield made
    with psycopg.connect(admin_url, autocommit=True) as admin:
        name = sql.Identifier(made.database)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "ab").mkdir(parents=True)
    (folder / "ab/abcd").write_bytes(b"%PDF-1.7 first")
    return folder


def execute(access: Access, text: str, role: str = OWNER_ROLE) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(access, role)) as connection:
        cursor = connection.execute(text)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def balances(access: Access, role: str = OWNER_ROLE) -> list[tuple[Any, ...]]:
    return execute(access, "SELECT balance FROM account ORDER BY balance", role)


def test_everything_comes_back_with_its_rights_and_the_epoch_rises(
    access: Access, files: Path, tmp_path: Path
) -> None:
    manifest = backup.back_up(access, files, tmp_path / "saved", now=NOW)
    assert manifest.epoch == 1
    assert sorted(manifest.items) == ["database.dump", "files/ab/abcd"]
    execute(access, "DROP TABLE account; CREATE TABLE newer (i int)")
    shutil.rmtree(files)
    assert backup.restore(access, files, tmp_path / "saved", force=True) == 2
    assert balances(access) == [(646363,), (2215009,)]
    assert balances(access, APP_ROLE) == [(2215009,)]  # the policy stands, and so does the grant
    assert execute(access, "SELECT to_regclass('newer')") == [(None,)]
    assert execute(access, "SELECT word FROM account WHERE word ILIKE '%блок%'") == [("яблоко",)]
    assert (files / "ab/abcd").read_bytes() == b"%PDF-1.7 first"
    assert epoch.epoch(access) == Epoch(2, is_held=True)
    assert epoch.resume(access) is True
    assert epoch.epoch(access, APP_ROLE) == Epoch(2)
    assert epoch.resume(access) is False
    (files / "ab/abcd").write_bytes(b"%PDF-1.7 flipped")
    assert backup.restore(access, files, tmp_path / "saved", force=True) == 3
    assert (files / "ab/abcd").read_bytes() == b"%PDF-1.7 first"


def test_a_worker_of_a_restored_database_waits_for_a_person(
    access: Access, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    epoch.wait_for_leave(access, lambda held: told.append(held.code))
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    backup.restore(access, files, tmp_path / "saved", force=True)

    def look_and_resume(_: float) -> None:
        if len(looks) == 2:
            epoch.resume(access)
        looks.append(epoch.epoch(access).is_held)

    looks: list[bool] = []
    monkeypatch.setattr("kvit.platform.epoch.time.sleep", look_and_resume)
    assert told == []
    epoch.wait_for_leave(access, lambda held: told.append(held.code))
    assert (told, looks) == (["restored_and_held"], [True, True, False])


def test_what_was_taken_in_bulk_and_not_looked_into_comes_back(
    access: Access, files: Path, tmp_path: Path
) -> None:
    log = durable_log.beside(files)
    writer = durable_log.Writer(log)
    writer.keep("company", [b"first", b"second"])  # its file is open while the backup is made
    (log / "company/1.damaged").write_bytes(b"what a person has to look at")
    manifest = backup.back_up(access, files, tmp_path / "saved", now=NOW)
    assert sorted(Path(name).suffix for name in manifest.items if name.startswith("log/")) == [
        ".damaged", ".left",
    ]  # fmt: skip
    writer.keep("company", [b"later"])
    writer.close()
    [later] = log.rglob("*.log")
    shutil.copy(later, tmp_path)
    shutil.rmtree(log)
    backup.restore(access, files, tmp_path / "saved", force=True)
    [left] = log.rglob("*.left")
    assert durable_log.read(left) == durable_log.Read((b"first", b"second"), damaged=False)
    assert (log / "company/1.damaged").read_bytes() == b"what a person has to look at"
    # What lies there already stays: records are known by their numbers when they are taken up.
    shutil.copy(tmp_path / later.name, later)
    backup.restore(access, files, tmp_path / "saved", force=True)
    assert durable_log.read(later).records == (b"first", b"second", b"later")


def test_a_backup_without_a_log_is_one_still(access: Access, files: Path, tmp_path: Path) -> None:
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    place = tmp_path / "saved" / backup.MANIFEST
    place.write_text(place.read_text().replace('"format": 2', '"format": 1'))
    assert backup.restore(access, files, tmp_path / "saved", force=True) == 2


def test_a_database_with_data_is_not_overwritten_unasked(
    access: Access, files: Path, tmp_path: Path
) -> None:
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    execute(access, "UPDATE account SET balance = 0")
    with pytest.raises(BackupFailed) as refusal:
        backup.restore(access, files, tmp_path / "saved", force=False)
    assert refusal.value.code == "not_empty"
    assert balances(access) == [(0,), (0,)]
    assert epoch.epoch(access) == Epoch(1)


@pytest.mark.parametrize("name", ["database.dump", "files/ab/abcd"])
def test_a_changed_byte_is_found_before_anything_is_touched(
    access: Access, files: Path, tmp_path: Path, name: str
) -> None:
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    damaged = tmp_path / "saved" / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    execute(access, "UPDATE account SET balance = 0")
    with pytest.raises(BackupFailed) as refusal:
        backup.restore(access, files, tmp_path / "saved", force=True)
    assert (refusal.value.code, refusal.value.params["name"]) == ("damaged", name)
    assert balances(access) == [(0,), (0,)]


def test_a_load_that_fails_at_its_end_leaves_the_database_as_it_was(
    access: Access, files: Path, tmp_path: Path, admin_url: str
) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("CREATE ROLE auditor")
    execute(access, "GRANT SELECT ON account TO auditor")
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    execute(access, "REVOKE ALL ON account FROM auditor")
    with psycopg.connect(admin_url) as admin:
        admin.execute("DROP ROLE auditor")
    execute(access, "UPDATE account SET balance = 0")
    with pytest.raises(BackupFailed) as refusal:
        backup.restore(access, files, tmp_path / "saved", force=True)
    assert refusal.value.code == "tool_failed"
    assert 'role "auditor" does not exist' in refusal.value.params["reason"]
    assert balances(access) == [(0,), (0,)]
    assert epoch.epoch(access) == Epoch(1)


def test_a_database_in_use_is_not_torn_away(
    access: Access, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "LOCK_TIMEOUT", "200ms")
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    with psycopg.connect(conninfo(access, APP_ROLE)) as reader:
        reader.execute("SELECT balance FROM account")
        with pytest.raises(BackupFailed) as refusal:
            backup.restore(access, files, tmp_path / "saved", force=True)
    assert "lock timeout" in refusal.value.params["reason"]
    assert len(balances(access)) == 2


def test_a_restore_waits_for_jobs_that_workers_are_at(
    access: Access, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood: list[Epoch] = []
    counts = iter([2, 0, 1])

    def at_work(*_: object, **__: object) -> int:
        stood.append(epoch.epoch(access))
        return next(counts)

    monkeypatch.setattr("kvit.platform.leases.at_work", at_work)
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    assert backup.restore(access, files, tmp_path / "saved", force=True) == 2
    epoch.resume(access)
    execute(access, "UPDATE account SET balance = 0")
    monkeypatch.setattr(backup, "JOBS_S", -1)
    with pytest.raises(BackupFailed) as refusal:
        backup.restore(access, files, tmp_path / "saved", force=True)
    assert (refusal.value.code, refusal.value.params["count"]) == ("jobs_at_work", 1)
    assert balances(access) == [(0,), (0,)]
    # None of them begins another meanwhile; where nothing came of it they go on.
    assert stood == [Epoch(1, is_held=True)] * 2 + [Epoch(2, is_held=True)]
    assert epoch.epoch(access) == Epoch(2)


def test_a_backup_never_replaces_another(access: Access, files: Path, tmp_path: Path) -> None:
    backup.back_up(access, files, tmp_path / "saved", now=NOW)
    before = (tmp_path / "saved/manifest.json").read_bytes()
    with pytest.raises(BackupFailed) as refusal:
        backup.back_up(access, files, tmp_path / "saved", now=NOW)
    assert refusal.value.code == "exists"
    assert (tmp_path / "saved/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"format": 9, "items": {}}',
        '{"made_at": "", "kvit": "", "postgresql": "", "epoch": 1, "format": 1, "items": {}}',
    ],
)
def test_what_is_no_backup_is_called_so(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(BackupFailed) as refusal:
        backup.verify(tmp_path)
    assert refusal.value.code == "no_backup"


@pytest.mark.parametrize(
    "name", ["files/../../secrets.json", "files//{tmp_path}/x", "secrets.json"]
)
def test_a_manifest_cannot_reach_outside_its_folder(tmp_path: Path, name: str) -> None:
    name = name.format(tmp_path=tmp_path)
    source = tmp_path / "a" / "b"
    empty = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    for item in ("database.dump", name):  # the hashes are right, and the file is there
        place = source / item
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    said = {"made_at": "", "kvit": "", "postgresql": "", "epoch": 1, "format": 1}
    said["items"] = {"database.dump": empty, name: empty}
    (source / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(BackupFailed) as refusal:
        backup.verify(source)
    assert refusal.value.params == {"name": name}


def test_no_password_stands_among_the_arguments_of_a_process(access: Access) -> None:
    assert access.owner_password not in backup._without_password(access)
    assert access.owner_password in conninfo(access, OWNER_ROLE)
