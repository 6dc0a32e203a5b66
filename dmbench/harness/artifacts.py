"""Artifacts: the files that experiments need, found by checksum in reference_results/artifacts.toml.

Looked for in this order: the folder in DMBENCH_DATA; the user's cache; the folder or address in DMBENCH_MIRROR; the
public addresses. DMBENCH_OFFLINE=1 forbids the network. The sha256 of a file is checked on its first use in a process.
A file listed without a checksum (nobody could fetch it when it was listed) is trusted on first use: its checksum is
kept in the cache, and holds from then on. Where an artifact's content is also about in other files (`instead`, in a
mirror, say), those serve as well where they lie on this machine; only the files themselves are ever fetched. The many
files of one folder are listed in a table beside the registry (`manifest`).
"""

import hashlib
import json
import os
import tomllib
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from dmbench.harness.errors import ArtifactError, DamagedArtifact, NumbersError, UsageError, nearest
from dmbench.harness.paths import checkout, reference, shown, write_whole

SECONDS_TO_ANSWER = 10
SIGNS = {
    "Name or service not known": "the host's name cannot be resolved",
    "NameResolutionError": "the host's name cannot be resolved",
    "refused": "connection refused",
    "timed out": "no answer",
}
NO_NETWORK = frozenset(SIGNS.values())
FIRST_USE = "first_use.json"
MAGIC = {".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff", ".bmp": b"BM", ".mat": b"MATLAB"}
FETCHED_UNASKED = 30_000_000  # bytes; a run fetches no artifact larger than this by itself


@dataclass(frozen=True)
class File:
    """One file: its name in a data folder or mirror, its size in bytes, its sha256, and where it is published."""

    name: str
    address: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Artifact:
    """Files that belong together. made_by: the command, for what dmbench trained itself; instead: the same content."""

    name: str
    title: str
    licence: str
    files: tuple[File, ...]
    made_by: str = ""
    instead: tuple[File, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes in all, or None where a file's size is not known."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def read_artifacts(path: Path | None = None) -> dict[str, Artifact]:
    """Read the registry, by name.

    Raises:
        NumbersError: the file is malformed.
    """
    path = path or reference() / "artifacts.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NumbersError(f"{shown(path)}: {error}") from error
    registry = {}
    for name, entry in content.items():
        try:
            registry[name] = _artifact(name, entry, path.parent)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise NumbersError(f"{shown(path)}: {name}: {type(error).__name__}: {error}") from error
    return registry


@cache
def _own() -> dict[str, Artifact]:
    """Return dmbench's own registry, which is read once a process, as its modules are: it has thousands of files."""
    return read_artifacts()


def _artifact(name: str, entry: dict[str, Any], folder: Path) -> Artifact:
    known = {"title", "licence", "address", "files", "each", "manifest", "folder", "made_by", "instead"}
    if unknown := set(entry) - known:
        raise ValueError(f"{unknown.pop()} is not a known key: {', '.join(sorted(known))}")
    base = entry.get("address", "")
    files, instead = (
        [File(row["name"], _address(base, row), row.get("bytes"), row.get("sha256")) for row in rows]
        for rows in (entry.get("files", []), entry.get("instead", []))
    )
    if each := entry.get("each"):  # files named by a running number or by a list of words
        words = each.get("words") or [str(i).zfill(each.get("digits", 0)) for i in range(1, each["count"] + 1)]
        files += [File(each["name"].format(word), base + each["path"].format(word)) for word in words]
    if manifest := entry.get("manifest"):
        files += _listed(folder / manifest, entry.get("folder", ""), base)
    if not files:
        raise ValueError("lists no files")
    for file in files + instead:
        if file.name.startswith("/") or ".." in Path(file.name).parts:
            raise ValueError(f"a file's name must stay inside the data folder: {file.name}")
    if instead and not all(file.sha256 for file in files + instead):
        raise ValueError("files that serve instead of others need checksums, both")
    return Artifact(name, entry["title"], entry["licence"], tuple(files), entry.get("made_by", ""), tuple(instead))


def _listed(manifest: Path, folder: str, base: str) -> list[File]:
    """Read a table of files: name, bytes and sha256 a line, tabs between. folder: what is put before each name."""
    files = []
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        name, *rest = line.split("\t")
        if len(rest) != 2 or not rest[0].isdigit() or len(rest[1]) != 64:
            raise ValueError(f"{manifest.name}:{number}: need name, bytes and sha256, tabs between: {line[:80]}")
        files.append(File(folder + name, _address(base, {"name": name}), int(rest[0]), rest[1]))
    return files


def _address(base: str, row: dict[str, Any]) -> str:
    """Return where a file is published; nothing where it has no address, as in mirrors only."""
    address: str = base + row.get("path", row["name"])
    return address if "://" in address else ""


@dataclass
class Store:
    """Finds, fetches and checks files. `network` false forbids public addresses and a mirror's address."""

    registry: dict[str, Artifact]
    network: bool = True
    _failed: str = field(default="", repr=False)  # the first network failure; none is tried again after it

    @classmethod
    def from_environment(cls) -> "Store":
        """Return the store that the environment variables describe.

        Raises:
            UsageError: DMBENCH_MIRROR or DMBENCH_DATA is no folder (a mirror may be an address).
        """
        for variable in ("DMBENCH_MIRROR", "DMBENCH_DATA"):
            folder = os.environ.get(variable, "")
            address = variable == "DMBENCH_MIRROR" and _mirror_address()
            if folder and not address and not Path(folder).is_dir():
                raise UsageError(f"{variable}={folder} is no folder: set it to one that is there, or unset it")
        return cls(dict(_own()), network=os.environ.get("DMBENCH_OFFLINE", "") in ("", "0"))

    def artifact(self, name: str) -> Artifact:
        """Return an artifact by name; its files are those that serve instead where only these are on this machine.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.registry:
            raise UsageError(f"unknown artifact {name}{nearest(name, list(self.registry))}")
        artifact = self.registry[name]
        if (
            len(_local(artifact.files)) < len(artifact.files)
            and len(_local(artifact.instead)) == len(artifact.instead) > 0
        ):
            return replace(artifact, files=artifact.instead)
        return artifact

    def local(self, name: str) -> dict[str, Path]:
        """Return the files that lie on this machine, by name; their checksums are not read yet."""
        return _local(self.artifact(name).files)

    def files(self, name: str) -> dict[str, Path]:
        """Return all files of an artifact, checked, fetching small ones that are missing.

        Raises:
            ArtifactError: a file is missing and cannot be fetched, is larger than a run fetches unasked, or has
                another checksum.
        """
        artifact = self.artifact(name)
        here = self.local(name)
        missing = [file for file in artifact.files if file.name not in here]
        # A mirror with an address is asked: whoever set it wants it used.
        unasked = artifact.size is not None and artifact.size <= FETCHED_UNASKED
        if missing and not (unasked or _mirror_address()):
            raise ArtifactError(f"{name} is not on this machine: dmbench data fetch {name}")
        for file in missing:
            here[file.name] = self._fetch(file, name)
        for file in artifact.files:
            self._check(file, here[file.name])
        return {file.name: here[file.name] for file in artifact.files}

    def checksum(self, name: str) -> str:
        """Return one checksum for all files of an artifact that `files` has found; what serves instead has the same."""
        here = self.local(name)
        together = [f"{file.name} {file.sha256 or _sha256_of(here[file.name])}" for file in self.registry[name].files]
        return hashlib.sha256("\n".join(together).encode()).hexdigest()[:16]

    def fetch(self, name: str, tell: Callable[[str], None] = lambda line: None) -> dict[str, Path]:
        """Fetch what is missing of an artifact, whatever its size, and check all of it.

        Raises:
            ArtifactError: a file cannot be fetched, or has another checksum.
        """
        artifact = self.artifact(name)
        here = self.local(name)
        for i, file in enumerate(artifact.files, 1):
            if file.name not in here:
                tell(f"{name}: {i}/{len(artifact.files)} {file.name}")
                here[file.name] = self._fetch(file, name)
            self._check(file, here[file.name])
        return {file.name: here[file.name] for file in artifact.files}

    def verify(self, name: str) -> tuple[int, list[str]]:
        """Return how many files of an artifact lie on this machine, and a line for each that is damaged."""
        here = self.local(name)
        damaged = []
        for file in self.artifact(name).files:
            if file.name in here:
                try:
                    self._check(file, here[file.name])
                except ArtifactError as error:
                    damaged.append(str(error))
        return len(here), damaged

    def _fetch(self, file: File, artifact: str) -> Path:
        later = f"get it with network by dmbench data fetch {artifact}, or set DMBENCH_MIRROR to a folder that has it"
        if not self.network:
            raise ArtifactError(f"{artifact} is not here, and DMBENCH_OFFLINE forbids the network; {later}")
        if self._failed:
            raise ArtifactError(f"{artifact} is not here, and there is no network ({self._failed}); {later}")
        reasons = []
        for address in filter(None, (_mirror_address(file.name), file.address)):
            try:
                return _download(address, file)
            except ArtifactError:
                raise
            except Exception as error:  # pooch passes on whatever requests or the socket raised
                reason = _reason(error)
                if reason in NO_NETWORK and address == file.address:
                    self._failed = reason
                    raise ArtifactError(
                        f"{artifact} is not here, and there is no network ({reason}); {later}"
                    ) from error
                reasons.append(f"{address}: {reason}")
        if not reasons:
            raise ArtifactError(
                f"{artifact}: {file.name} is published nowhere: set DMBENCH_MIRROR to a folder that has it"
            )
        raise ArtifactError(f"{artifact}: {file.name} cannot be fetched ({'; '.join(reasons)}); {later}")

    def _check(self, file: File, path: Path) -> None:
        actual = _sha256_of(path)
        expected = file.sha256 or _first_use(file, path, actual)
        if actual != expected:
            size = f"{path.stat().st_size:,} bytes" + (f" instead of {file.size:,}" if file.size else "")
            remedy = "delete it and fetch it again"
            if not file.sha256:
                remedy += (
                    f"; if it is the first one that was wrong, delete its line in {cache_folder() / FIRST_USE} too"
                )
            raise DamagedArtifact(f"{path}: its sha256 is {actual[:12]}..., not {expected[:12]}... ({size}): {remedy}")


def cache_folder() -> Path:
    """Return the folder that fetched files are kept in."""
    return Path(os.environ.get("DMBENCH_CACHE") or platformdirs.user_cache_path("dmbench"))


def _local(files: tuple[File, ...]) -> dict[str, Path]:
    found = {}
    for file in files:
        path = next((folder / file.name for folder in _folders() if (folder / file.name).is_file()), None)
        if path is not None:
            found[file.name] = path
    return found


def _folders() -> Iterator[Path]:
    if data := os.environ.get("DMBENCH_DATA"):
        yield Path(data)
    yield cache_folder()
    mirror = os.environ.get("DMBENCH_MIRROR", "")
    if mirror and not _mirror_address():
        yield Path(mirror)
    if root := checkout():
        yield root / "reference_results"  # what dmbench trained itself


def _mirror_address(name: str = "") -> str:
    mirror = os.environ.get("DMBENCH_MIRROR", "")
    return f"{mirror.rstrip('/')}/{name}" if mirror.startswith(("http://", "https://")) else ""


def _download(address: str, file: File) -> Path:
    import pooch  # 0.2 s to import, and only fetching needs it

    pooch.get_logger().setLevel("WARNING")
    target = cache_folder() / file.name
    try:
        pooch.retrieve(
            address,
            known_hash=f"sha256:{file.sha256}" if file.sha256 else None,
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER),
        )
    except ValueError as error:
        if "hash" in str(error):
            raise DamagedArtifact(f"{address}: its sha256 is not the one of {file.name} in artifacts.toml") from error
        raise
    return target


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    text = str(error)
    found = next((short for sign, short in SIGNS.items() if sign in text), "")
    return found or f"{type(error).__name__}: {text}".split("\n")[0][:120]


def _sha256_of(path: Path) -> str:
    try:
        stat = path.stat()
        return _sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise DamagedArtifact(f"{path}: cannot be read: {error.strerror}") from error


@cache
def _sha256(path: Path, modified_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_use(file: File, path: Path, actual: str) -> str:
    """Return the checksum that the file had on its first use here, which may be now."""
    kept = cache_folder() / FIRST_USE
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.with_suffix(".lock")):
        try:
            known: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{kept}: cannot be read ({error}): delete it") from error
        if file.name not in known:
            magic = MAGIC.get(path.suffix.lower(), b"")
            with path.open("rb") as stream:
                if stream.read(len(magic)) != magic:  # a login page, say
                    raise DamagedArtifact(f"{path}: is no {path.suffix} file: delete it and fetch it again")
            known[file.name] = actual
            write_whole(kept, json.dumps(known, indent=1, sort_keys=True).encode())
    return known[file.name]
