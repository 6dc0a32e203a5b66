"""What is told of a GPU, by an nvidia-smi that is made up."""

import pytest

from dmbench.harness import environment
from dmbench.harness.environment import SMI_FIELDS, throttling


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put an nvidia-smi on the path that knows some fields only, and fails as a whole for another."""

    def install(known):
        script = tmp_path / "nvidia-smi"
        answers = " ".join(f'{name}) line="$line$comma {value}";;' for name, value in known.items())
        script.write_text(
            "#!/bin/sh\nfields=${2#--query-gpu=}\nIFS=,\nfor field in $fields; do\n"
            f'case $field in {answers} *) echo no such field; exit 6;; esac; comma=,\ndone\necho "$line"\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_driver_clocks_and_throttling_are_read_at_once(smi):
    smi(dict.fromkeys(SMI_FIELDS, "1980 MHz") | {"clocks_throttle_reasons.active": "0x0000000000000024"})
    found = environment._nvidia_smi(0)
    assert (found["clocks.sm"], found["throttling"]) == ("1980 MHz", "power cap, hot")


def test_a_field_that_a_driver_does_not_know_leaves_the_others(smi):
    smi({"driver_version": "600.1", "clocks.sm": "1980 MHz"})
    found = environment._nvidia_smi(0)
    assert (found["driver_version"], found["clocks.sm"]) == ("600.1", "1980 MHz")
    assert found["clocks.mem"] is found["throttling"] is None


def test_without_nvidia_smi_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(environment._nvidia_smi(0).values()) == {None}


@pytest.mark.parametrize(
    ("mask", "words"),
    [("0x0000000000000000", "none"), ("0x1", "none"), ("0xC", "power cap, hardware slowdown"), ("[N/A]", None)],
)
def test_throttling_is_told_in_words(mask, words):
    assert throttling(mask) == words
