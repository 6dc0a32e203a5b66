"""MATLAB files: variables as SciPy writes them; what is damaged is refused in one line."""

import numpy as np
import pytest
from scipy.io import savemat

from dmbench.datasets.matlab import read_mat


def test_variables_come_back_as_they_were_saved(tmp_path):
    savemat(tmp_path / "a.mat", {"x": np.arange(6.0).reshape(2, 3)})
    assert read_mat(tmp_path / "a.mat")["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("content", [b"", b"x" * 60, b"x" * 200, b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mat: truncated, or no MATLAB file") as error:
        read_mat(tmp_path / "a.mat")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_that_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mat(tmp_path / "a.mat")
