"""The commands without a running service: each opens the home's database for as long as it needs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg
import pytest

from bot.service.postgres import Cluster
from bot.settings import ROOT
from tests.running import MEDREP, Service

HEADER = "外部编号,姓名,医院,手机,负责代表\n"
LIST = HEADER + "D-1,张测,虚构县医院,13900000001,吴代表\nD-2,李测,虚构镇卫生院,13900000002,吴代表\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A home in which two doctors were imported and nothing runs."""
    folder = tmp_path_factory.mktemp("commands")
    home = Service(folder / "home")
    (folder / "doctors.csv").write_text(LIST, encoding="utf-8")
    loaded = home.medrep("import-doctors", folder / "doctors.csv", "--codes", folder / "codes.csv")
    assert (loaded.returncode, loaded.stdout) == (0, "added 2, changed 0, unchanged 0\n"), loaded.stderr
    assert (folder / "codes.csv").stat().st_mode & 0o777 == 0o600
    assert len((folder / "codes.csv").read_text(encoding="utf-8-sig").splitlines()) == 3
    return home


@pytest.fixture(scope="module")
def backup(home: Service) -> Path:
    """The backup of that home."""
    file = home.home.with_name("medrep.backup")
    home.prints("backup", file)
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def tampered(home: Path, statement: str) -> None:
    """Change the database as someone could who has it all: the superuser, with triggers off."""
    with psycopg.connect(Cluster(home).url("postgres")) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement)


@pytest.fixture(scope="module")
def brought_back(backup: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backup, brought into another home, which stays as it is."""
    elsewhere = Service(tmp_path_factory.mktemp("restored") / "home")
    assert elsewhere.prints("restore", backup).startswith("restored; evidence OK ")
    return elsewhere.home


@pytest.fixture
def restored(brought_back: Path, tmp_path: Path) -> Service:
    """A home of the test's own in which the backup was restored."""
    # cp, for the database's files belong to another user.
    subprocess.run(["cp", "-a", brought_back, tmp_path / "elsewhere"], check=True)
    return Service(tmp_path / "elsewhere")


def test_import_is_idempotent_and_names_bad_rows(home: Service, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text(LIST + "D-3,,虚构村卫生室,13900000003,吴代表\n", encoding="utf-8")
    again = home.medrep("import-doctors", file)
    assert again.returncode == 1
    assert again.stdout == "added 0, changed 0, unchanged 2\n"
    assert "row 4: " in again.stderr


def test_evidence_verify(home: Service) -> None:
    verified = home.medrep("evidence", "verify")
    assert verified.returncode == 0
    assert verified.stdout.startswith("OK ")


def test_an_inspector_needs_the_public_key_alone(home: Service, tmp_path: Path) -> None:
    """F14: what the home exports and signs is checked where there is no database and no key folder."""
    key, record, person = tmp_path / "key.pem", tmp_path / "record.jsonl", tmp_path / "person.json"
    key.write_text(home.prints("evidence", "public-key"))
    home.prints("evidence", "export", record)
    assert home.medrep("evidence", "export", record).returncode == 2, "an export replaces nothing"
    person.write_text(home.prints("export-person", "D-1"))
    elsewhere = Service(tmp_path / "inspector")
    rows = home.prints("evidence", "verify").split()[1]
    verify = ("evidence", "verify", "--public-key", key)
    assert elsewhere.prints(*verify, record) == f"OK {rows} rows\n"
    assert elsewhere.prints(*verify, person) == "OK signed document\n"
    assert elsewhere.medrep("evidence", "verify", record).returncode == 2, "it has no key of its own"
    assert not elsewhere.home.exists()
    assert home.prints(*verify) == f"OK {rows} rows\n", "the database, without the key folder"
    for path, old, new in ((record, "doctors.imported", "doctors.exported"), (person, "张测", "张三")):
        path.write_text(path.read_text().replace(old, new))
        found = elsewhere.medrep(*verify, path)
        assert (found.returncode, found.stderr) == (1, "") and "does not match" in found.stdout


def test_after_a_restore_sending_waits_for_a_person(restored: Service) -> None:
    """F28"""
    assert restored.prints("sending", "list") == ""
    assert restored.prints("sending", "resume").startswith("resumed ")
    assert restored.prints("sending", "resume") == "resumed 0 accounts\n"


def test_a_backup_brings_everything_back(restored: Service, home: Service, backup: Path) -> None:
    """What is encrypted is the proof: it opens only with the keys of the backup."""
    for command in (("export-person", "D-1"), ("tasks",)):
        assert restored.prints(*command) == home.prints(*command)
    assert "张测" in restored.prints("export-person", "D-1")
    again = restored.medrep("restore", backup)
    assert again.returncode == 2
    assert "empty MEDREP_HOME" in again.stderr


def test_a_damaged_backup_is_refused_and_leaves_the_home_empty(
    home: Service, backup: Path, tmp_path: Path
) -> None:
    file = tmp_path / "medrep.backup"
    body = bytearray(backup.read_bytes())
    body[body.index(b"PGDMP") + 2000] ^= 1
    file.write_bytes(body)
    refused = Service(tmp_path / "elsewhere").medrep("restore", file)
    assert refused.returncode == 2
    assert "database.dump is damaged" in refused.stderr
    assert not (tmp_path / "elsewhere" / "keys").exists()
    assert home.medrep("backup", file).returncode == 2, "a backup replaces nothing"


def test_erasing_a_person_prints_receipts_and_leaves_the_chain_whole(restored: Service) -> None:
    erased = restored.medrep("erase-person", "D-2")
    assert erased.returncode == 0, erased.stderr
    receipts = [json.loads(line) for line in erased.stdout.splitlines()]
    assert {"store", "rows", "done", "why"} == set(receipts[0])
    assert restored.medrep("export-person", "D-2").returncode == 2
    assert restored.medrep("evidence", "verify").returncode == 0


def test_keys_rotate_and_old_data_opens(restored: Service) -> None:
    """F6: prepared first, used when it is said so."""
    assert restored.medrep("rotate-key", "--activate").returncode == 2, "nothing is prepared"
    assert restored.prints("rotate-key").startswith("master-0002 is prepared in ")
    turned = restored.prints("rotate-key", "--activate")
    assert turned.startswith("master-0002 is the master key now, "), turned
    assert int(turned.split(", ")[1].split()[0]) >= 2
    assert "张测" in restored.medrep("export-person", "D-1").stdout


async def test_a_changed_row_of_evidence_is_found(restored: Service) -> None:
    cluster = Cluster(restored.home)
    await cluster.start()
    try:
        tampered(
            restored.home,
            "UPDATE evidence SET subject = 'file:other' WHERE id = (SELECT min(id) FROM evidence)",
        )
    finally:
        await cluster.stop()
    found = restored.medrep("evidence", "verify")
    assert found.returncode == 1
    assert "does not match its digest" in found.stdout


def test_check_text_line_by_line(home: Service) -> None:
    """A line in, a line out: empty, very long, not UTF-8, with a byte order mark."""
    texts = b"\xef\xbb\xbf\xe6\xa0\xb9\xe6\xb2\xbb\n\n" + "好".encode() * 100_000 + b"\r\n\xff\xfe\nlast"
    checked = home.medrep("check-text", "--audience", "doctor", stdin=texts)
    assert checked.returncode == 0, checked.stderr
    lines = [json.loads(line) for line in checked.stdout.splitlines()]
    assert [len(line["text"]) for line in lines] == [2, 0, 100_000, 2, 4]
    assert all(set(line) == {"text", "allowed", "findings"} for line in lines)
    assert lines[1] == {"text": "", "allowed": True, "findings": []}
    for line in lines:
        assert line["allowed"] is not bool(line["findings"])
        for finding in line["findings"]:
            assert set(finding) == {"rule", "span", "why"}


def test_answers_come_line_by_line_and_a_closed_pipe_is_quiet(home: Service) -> None:
    process = subprocess.Popen(
        [str(MEDREP), "check-text", "--audience", "patient"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home.env,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write("您好\n".encode())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["text"] == "您好"  # while its input is still open
    process.stdout.close()
    process.stdin.write("再见\n".encode() * 1000)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 1


@pytest.mark.parametrize(
    ("config", "more", "expected"),
    [
        (
            '[wechat.a]\napp_secret = "s3cret-value"\nnonsense = 1\n',
            {},
            "wechat.a.nonsense: Extra inputs are not permitted",
        ),
        ("app_secret = s3cret-value\n", {}, "medrep.toml is not TOML"),
        ("", {"MEDREP_PORT": "http"}, "MEDREP_PORT is not a number"),
        ("", {"MEDREP_PORT": "70000"}, "MEDREP_PORT is not a port"),
        ("", {"MEDREP_HOME": "/proc/none"}, "MEDREP_HOME cannot be made"),
        (
            "",
            {"MEDREP_DATABASE_URL": "postgresql://someone:s3cret-value@127.0.0.1:1/none"},
            "the database does not answer",
        ),
    ],
)
def test_wrong_settings_are_one_clear_line_without_secrets(
    tmp_path: Path, config: str, more: dict[str, str], expected: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "medrep.toml").write_text(config)
    failed = Service(tmp_path / "home", more).medrep("tasks")
    assert failed.returncode == 2
    assert expected in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert "s3cret-value" not in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr


def test_help_lists_the_commands(home: Service) -> None:
    helped = home.prints("--help")
    for name in (
        *("serve", "engine", "migrate", "train", "dialogue", "import-doctors", "understand", "check-text"),
        *(
            "evidence",
            "export-person",
            "erase-person",
            "backup",
            "restore",
            "rotate-key",
            "tasks",
            "sending",
            "messages",
            "timers",
            "takeover",
            "say",
        ),
    ):
        assert f"\n  {name} " in helped
    assert "import" in home.prints("dialogue", "--help")


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    Service(tmp_path / "home", {"MEDREP_CONFIG": str(ROOT / "medrep.example.toml")}).prints("migrate")


def test_anybody_is_found_by_the_address_they_write_from(service: Service) -> None:
    contact = json.loads(
        service.prints("export-person", "--contact", "wechat:sandbox:oSbx1Dctr_ZhaoDing000000004c")
    )
    assert contact["profile"]["name"] == "赵丁"
    for contact, reason in (
        ("nonsense", "CHANNEL:ACCOUNT:ADDRESS"),
        ("wechat:sandbox:oNobody", "nobody has written from this address"),
    ):
        refused = service.medrep("erase-person", "--contact", contact)
        assert refused.returncode == 2 and reason in refused.stderr
    assert service.medrep("export-person").returncode == 2, "somebody must be named"
