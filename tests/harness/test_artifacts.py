"""Artifacts: where a file is looked for, what is checked, and what a user is told when it is not there."""

import hashlib
import http.server
import threading

import pytest

from dmbench.harness.artifacts import Artifact, File, Store, read_artifacts
from dmbench.harness.errors import ArtifactError, DamagedArtifact, NumbersError, UsageError

BYTES = b"weights"
SHA = hashlib.sha256(BYTES).hexdigest()
NOWHERE = "http://127.0.0.1:9/weights.bin"  # the discard port: nobody listens


@pytest.fixture(autouse=True)
def no_folders(tmp_path, monkeypatch):
    for name in ("DMBENCH_DATA", "DMBENCH_MIRROR", "DMBENCH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DMBENCH_CACHE", str(tmp_path / "cache"))


def store(address=NOWHERE, sha256=SHA, size=7):
    file = File("toy/weights.bin", address, size, sha256)
    return Store({"toy": Artifact("toy", "Toy weights", "MIT", (file,))})


def put(folder, content=BYTES):
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "weights.bin").write_bytes(content)
    return str(folder)


@pytest.fixture
def server(tmp_path):
    """A mirror's address; it serves tmp_path/served."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path / "served")

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_the_data_folder_comes_before_the_cache_and_the_cache_before_the_mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_MIRROR", put(tmp_path / "mirror"))
    assert store().files("toy")["toy/weights.bin"].is_relative_to(tmp_path / "mirror")
    put(tmp_path / "cache")
    assert store().files("toy")["toy/weights.bin"].is_relative_to(tmp_path / "cache")
    monkeypatch.setenv("DMBENCH_DATA", put(tmp_path / "data"))
    assert store().files("toy")["toy/weights.bin"].is_relative_to(tmp_path / "data")


@pytest.mark.parametrize("from_mirror", [True, False])
def test_a_missing_file_is_fetched_into_the_cache(tmp_path, monkeypatch, server, from_mirror):
    put(tmp_path / "served")
    if from_mirror:
        monkeypatch.setenv("DMBENCH_MIRROR", server)
    found = store() if from_mirror else store(f"{server}/toy/weights.bin")
    path = found.files("toy")["toy/weights.bin"]
    assert path.is_relative_to(tmp_path / "cache")
    assert path.read_bytes() == BYTES


def test_a_fetched_file_of_another_checksum_is_refused_and_not_kept(tmp_path, server):
    put(tmp_path / "served", b"something else")
    with pytest.raises(DamagedArtifact, match="its sha256 is not the one of toy/weights.bin"):
        store(f"{server}/toy/weights.bin").files("toy")
    assert not (tmp_path / "cache" / "toy" / "weights.bin").exists()


@pytest.mark.parametrize("content", [b"weightz", b"weig"])
def test_a_damaged_or_truncated_file_is_refused_by_name(tmp_path, monkeypatch, content):
    monkeypatch.setenv("DMBENCH_DATA", put(tmp_path / "data", content))
    with pytest.raises(ArtifactError, match=r"weights\.bin: its sha256 is .* delete it and fetch it again") as error:
        store().files("toy")
    assert f"({len(content)} bytes instead of 7)" in str(error.value)
    assert store().verify("toy")[0] == 1
    assert len(store().verify("toy")[1]) == 1


def test_offline_says_so_and_how_to_get_it(monkeypatch):
    monkeypatch.setenv("DMBENCH_OFFLINE", "1")
    offline = Store.from_environment()
    offline.registry = store().registry
    with pytest.raises(ArtifactError, match="DMBENCH_OFFLINE forbids the network; .*dmbench data fetch toy"):
        offline.files("toy")


def test_no_network_is_told_in_one_line_and_tried_once(server):
    there = store()
    for _ in range(2):
        with pytest.raises(ArtifactError, match="connection refused.*dmbench data fetch toy") as error:
            there.files("toy")
        assert "\n" not in str(error.value)
    assert there._failed


def test_a_run_does_not_fetch_what_is_large_or_of_unknown_size(tmp_path, server):
    put(tmp_path / "served")
    large = store(f"{server}/toy/weights.bin", size=None)
    with pytest.raises(ArtifactError, match="toy is not on this machine: dmbench data fetch toy"):
        large.files("toy")
    lines = []
    assert large.fetch("toy", lines.append)
    assert lines == ["toy: 1/1 toy/weights.bin"]
    assert large.files("toy")


def test_a_file_without_checksum_is_trusted_on_first_use_and_held_to_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_DATA", put(tmp_path / "data"))
    assert store(sha256=None).files("toy")
    (tmp_path / "data" / "toy" / "weights.bin").write_bytes(b"changed since")
    with pytest.raises(ArtifactError, match="its sha256 is"):
        store(sha256=None).files("toy")


def test_a_page_in_place_of_a_picture_is_not_trusted_on_first_use(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_DATA", put(tmp_path / "data"))
    (tmp_path / "data" / "toy" / "a.png").write_bytes(b"<html>log in</html>")
    page = Store({"toy": Artifact("toy", "A picture", "MIT", (File("toy/a.png", NOWHERE),))})
    with pytest.raises(DamagedArtifact, match=r"a\.png: is no \.png file"):
        page.files("toy")
    (tmp_path / "data" / "toy" / "a.png").write_bytes(b"\x89PNG and so on")
    before = page.files("toy") and page.checksum("toy")
    (tmp_path / "cache" / "first_use.json").unlink()
    (tmp_path / "data" / "toy" / "a.png").write_bytes(b"\x89PNG and otherwise")
    assert page.files("toy")
    assert page.checksum("toy") != before


@pytest.mark.parametrize("variable", ["DMBENCH_MIRROR", "DMBENCH_DATA"])
def test_a_folder_that_is_not_there_is_refused_by_name(monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/at/all")
    with pytest.raises(UsageError, match=f"{variable}=/nowhere/at/all is no folder"):
        Store.from_environment()


def test_an_unknown_artifact_names_the_nearest():
    with pytest.raises(UsageError, match=r"unknown artifact tay: did you mean toy\?"):
        store().artifact("tay")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[toy]\ntitle = 'x'\nlicence = 'y'", "toy: ValueError: lists no files"),
        ("[toy]\ntitle = 'x'\nfiles = [{ name = 'a' }]", "toy: KeyError: 'licence'"),
        ("[toy]\ntitle = 'x'\nlicence = 'y'\nurl = 'z'", "url is not a known key"),
        ("[toy]\ntitle = 'x'\nlicence = 'y'\nfiles = [{ name = '../a' }]", "must stay inside the data folder"),
        ("[toy", "Expected"),
    ],
)
def test_a_malformed_registry_is_refused(tmp_path, text, complaint):
    path = tmp_path / "artifacts.toml"
    path.write_text(text)
    with pytest.raises(NumbersError, match=complaint):
        read_artifacts(path)


def test_the_registry_lists_each_file_once_and_pins_every_address_by_a_commit_or_a_checksum():
    files = [file for artifact in read_artifacts().values() for file in artifact.files]
    assert len({file.name for file in files}) == len(files)
    for file in files:
        commits = [part for part in file.address.split("/") if len(part) == 40 and int(part, 16)]
        assert commits or file.sha256, file.address


def with_instead(address=NOWHERE):
    files = (File("toy/weights.bin", address, 7, SHA),)
    other = hashlib.sha256(b"packed").hexdigest()
    return Store({"toy": Artifact("toy", "Toy", "MIT", files, instead=(File("toy/packed.bin", "", 6, other),))})


def test_files_that_serve_instead_are_taken_where_only_they_are_here(tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "packed.bin").write_bytes(b"packed")
    monkeypatch.setenv("DMBENCH_MIRROR", str(tmp_path / "mirror"))
    assert list(with_instead().files("toy")) == ["toy/packed.bin"]
    assert with_instead().verify("toy") == (1, [])
    packed = with_instead().checksum("toy")
    put(tmp_path / "cache")
    assert list(with_instead().files("toy")) == ["toy/weights.bin"]
    assert with_instead().checksum("toy") == packed == store().checksum("toy")


def test_files_that_serve_instead_are_checked_too(tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "packed.bin").write_bytes(b"pocked")
    monkeypatch.setenv("DMBENCH_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(DamagedArtifact, match="packed.bin"):
        with_instead().files("toy")


def test_where_neither_is_here_the_files_themselves_are_fetched(tmp_path, server):
    put(tmp_path / "served")
    assert list(with_instead(f"{server}/toy/weights.bin").fetch("toy")) == ["toy/weights.bin"]


def test_files_that_serve_instead_need_checksums(tmp_path):
    listed = tmp_path / "artifacts.toml"
    listed.write_text(
        '[toy]\ntitle = "t"\nlicence = "l"\nfiles = [{ name = "a", sha256 = "x" }]\ninstead = [{ name = "b" }]\n'
    )
    with pytest.raises(NumbersError, match="toy: ValueError: files that serve instead of others need checksums, both"):
        read_artifacts(listed)


def listed(tmp_path, table, extra=""):
    """A registry whose artifact lists its files in a table."""
    (tmp_path / "files.tsv").write_text(table)
    path = tmp_path / "artifacts.toml"
    path.write_text(
        '[toy]\ntitle = "Toy"\nlicence = "MIT"\naddress = "https://example.org/a/"\n'
        f'folder = "toy/"\nmanifest = "files.tsv"\n{extra}'
    )
    return path


def test_a_table_beside_the_registry_lists_many_files(tmp_path, monkeypatch):
    path = listed(tmp_path, f"weights.bin\t7\t{SHA}\nsub/b.bin\t12\t{'0' * 64}\n")
    found = read_artifacts(path)["toy"]
    assert found.files == (
        File("toy/weights.bin", "https://example.org/a/weights.bin", 7, SHA),
        File("toy/sub/b.bin", "https://example.org/a/sub/b.bin", 12, "0" * 64),
    )
    assert found.size == 19
    monkeypatch.setenv("DMBENCH_MIRROR", put(tmp_path / "mirror"))
    (tmp_path / "mirror" / "toy" / "sub").mkdir()
    (tmp_path / "mirror" / "toy" / "sub" / "b.bin").write_bytes(b"changed")
    with pytest.raises(DamagedArtifact, match="sub/b.bin: its sha256 is .*7 bytes instead of 12"):
        Store({"toy": found}).files("toy")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (f"a.bin\t7\t{SHA}\nb.bin 7 {SHA}\n", "toy: ValueError: files.tsv:2: need name, bytes and sha256"),
        (f"a.bin\tmany\t{SHA}\n", "files.tsv:1: need name, bytes and sha256"),
        ("a.bin\t7\tabc\n", "files.tsv:1: need name, bytes and sha256"),
        (f"../a.bin\t7\t{SHA}\n", "must stay inside the data folder: toy/../a.bin"),
        ("", "lists no files"),
    ],
)
def test_a_table_that_is_malformed_is_refused_by_file_and_line(tmp_path, table, words):
    with pytest.raises(NumbersError, match=words):
        read_artifacts(listed(tmp_path, table))


def test_a_table_that_is_missing_is_named(tmp_path):
    path = listed(tmp_path, "")
    (tmp_path / "files.tsv").unlink()
    with pytest.raises(NumbersError, match="toy: FileNotFoundError: .*files.tsv"):
        read_artifacts(path)
