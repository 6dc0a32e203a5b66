"""What all tests share: records go to a folder of their own, and `data` tests say which artifact they lack."""

import os

import pytest
import torch

from dmbench.harness.artifacts import Store
from dmbench.harness.errors import ArtifactError, DamagedArtifact


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Keep a test's records out of the checkout."""
    monkeypatch.setenv("DMBENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def one_thread():
    """One thread, as a process to compare with has: sums of several differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cuda():
    """A CUDA device. Without one the test is skipped; under `tox -e gpu`, which exists to run it, it fails."""
    if not torch.cuda.is_available():
        refuse = pytest.fail if os.environ.get("DMBENCH_REQUIRE_GPU") else pytest.skip
        refuse("no CUDA device: run it on a machine with one")
    return torch.device("cuda")


@pytest.fixture
def artifact():
    """Return an artifact's files by name, or skip with the command that gets them."""

    def files(name):
        try:
            return Store.from_environment().files(name)
        except DamagedArtifact:
            raise  # a damaged mirror is no reason to skip
        except ArtifactError as error:
            pytest.skip(str(error))

    return files
