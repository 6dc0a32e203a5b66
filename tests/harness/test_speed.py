"""The harness's own hot paths, timed by pytest-benchmark; asserted is what they give, never how long they take."""

import json
from dataclasses import asdict

import pytest
import torch

from dmbench.harness.judging import judge_all
from dmbench.harness.records import read
from dmbench.layers.bicubic import imresize
from dmbench.metrics.ssim import ssim

RECORDS = 100_000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return tmp_path_factory.mktemp("many")


def test_read_and_judge_100_000_records(benchmark, toy, many, record):
    path = many / "measured" / "toy.jsonl"
    path.parent.mkdir()
    facts = asdict(record("noisy", 10.0, environment={"cpu": "x" * 200, "torch": "2.13.0", "os": "y" * 50}))
    with path.open("w") as stream:
        for i in range(RECORDS):
            stream.write(json.dumps(facts | {"id": str(i), "seed": i, "value": 10 + (i % 3 - 1)}) + "\n")

    def verdict():
        records, problems = read(many)
        return judge_all([toy["toy"].numbers["noisy"]], records)[0], problems

    found, problems = benchmark.pedantic(verdict, rounds=1)
    assert problems == []
    assert (len(found.records), found.kind) == (RECORDS, "reproduced")


def test_imresize_of_a_512_by_512_plane(benchmark):
    plane = torch.rand(512, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    small = benchmark.pedantic(imresize, (plane, 1 / 4), rounds=10, warmup_rounds=1)
    torch.testing.assert_close(small.mean(), plane.mean(), rtol=0, atol=1e-3)


def test_ssim_of_512_by_512_planes(benchmark):
    plane = torch.rand(512, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    value = benchmark.pedantic(ssim, (plane, plane, 1), rounds=10, warmup_rounds=1)
    torch.testing.assert_close(value, torch.ones((), dtype=torch.float64), rtol=0, atol=1e-12)
