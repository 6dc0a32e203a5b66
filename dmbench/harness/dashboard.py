"""The dashboard: asv's page over the committed results, made to work without a network.

As asv publishes it, the page loads ten scripts and styles from other hosts. Here they are served from beside it.
"""

import html
import http.server
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from dmbench.harness.artifacts import cache_folder
from dmbench.harness.dashboard_assets import LISTED, Asset, DashboardError, fetch, read_assets
from dmbench.harness.paths import shown

BESIDE_PAGE = "assets"
LOADING_TAG = re.compile(r"<(?:script|link)\b[^>]*>", re.IGNORECASE)
ADDRESS = re.compile(r"""\b(src|href)\s*=\s*(["']?)((?:https?:)?//[^"'\s>]+)\2""", re.IGNORECASE)
FOREIGN_ONLY = re.compile(
    r"""\s+(?:integrity|crossorigin|referrerpolicy)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?""", re.I
)


def build(root: Path, out: Path | None = None) -> Path:
    """Publish the results of the checkout at `root` into the folder `out`, by default .asv/html; return the folder.

    Raises:
        DashboardError: asv or npm is missing or fails, a file is not the one listed, or asv's page has changed.
    """
    out = (out or root / ".asv" / "html").resolve()
    publish(root, out)
    assets = read_assets()
    page = out / "index.html"
    text = rewrite(page.read_text(encoding="utf-8"), assets)
    files = fetch(assets, cache_folder() / "dashboard")
    (out / BESIDE_PAGE).mkdir(exist_ok=True)
    for asset, path in files.items():
        shutil.copyfile(path, out / BESIDE_PAGE / asset.file)
    page.write_text(text, encoding="utf-8")
    return out


def publish(root: Path, out: Path) -> None:
    """Let asv write its page into `out`."""
    if importlib.util.find_spec("asv") is None:
        raise DashboardError("asv is not installed: pip install asv")
    results = root / "reference_results" / "asv"
    if not any(path.name not in ("benchmarks.json", "machine.json") for path in results.rglob("*.json")):
        raise DashboardError(f"{shown(results)} holds no results yet: asv machine --yes, then asv run")
    command = [sys.executable, "-m", "asv", "publish", "--no-pull", "--html-dir", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode or not (out / "index.html").is_file():
        raise DashboardError(f"asv publish failed: {_last_line(done.stderr + done.stdout)}")


def rewrite(page: str, assets: Iterable[Asset]) -> str:
    """Point the page's scripts and styles to the files beside it.

    Raises:
        DashboardError: the page loads something else from another host.
    """
    known = list(assets)

    def local(match: re.Match[str]) -> str:
        tag = match.group()
        address = ADDRESS.search(tag)
        if address is None:
            return tag
        name, _, url = address.groups()
        found = next((asset for asset in known if html.unescape(url).endswith(asset.instead_of)), None)
        if found is None:
            raise DashboardError(
                f"asv's page loads {url}, which {LISTED.name} has no file for: use the asv it was made for"
            )
        return FOREIGN_ONLY.sub("", tag.replace(address.group(), f'{name}="{BESIDE_PAGE}/{found.file}"'))

    return LOADING_TAG.sub(local, page)


def serve(folder: Path, port: int = 8080) -> None:
    """Serve a folder on this machine only, until interrupted; port 0 takes a free one.

    The page reads its data by requests, which browsers refuse to a page opened as a file.

    Raises:
        DashboardError: the port is taken.
    """
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise DashboardError(
            f"port {port}: {error.strerror}: choose another with --port, or 0 for a free one"
        ) from error
    with server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of single requests."""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
