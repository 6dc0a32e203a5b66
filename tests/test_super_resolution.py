"""The super-resolution protocol: against the same steps with numpy and scikit-image, and against deliberate faults."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dmbench import CheckFailed, check
from dmbench.experiments import _super_resolution as sr
from dmbench.experiments import srcnn, vdsr
from dmbench.experiments._super_resolution_training import (
    Recipe,
    cut,
    inference,
    make_optimiser,
    set_rates,
    step,
    train,
    turns,
)
from dmbench.harness.errors import ContractError
from dmbench.layers.bicubic import imresize
from dmbench.metrics.ycbcr import rgb2ycbcr
from dmbench.models.srcnn import SRCNN
from dmbench.models.vdsr import VDSR


class Context:
    """What the protocol needs of a context; the parts are ours."""

    device = torch.device("cpu")

    def __init__(self, paths=()):
        self._paths = {path.name: path for path in paths}

    def files(self, artifact):
        return self._paths

    def subject(self, name):
        return {"bicubic": imresize, "ycbcr": rgb2ycbcr}[name]

    def note(self, **settings):
        pass

    def progress(self, done, total):
        pass


@pytest.fixture
def astronaut(tmp_path):
    """A colour picture of 64 x 71 pixels that comes with scikit-image."""
    path = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()[:64, 180:251]).save(path)
    return path


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_protocol_is_its_steps_one_by_one(astronaut, scale):
    rgb = np.asarray(Image.open(astronaut)).astype(float)
    luma = np.floor(rgb @ np.array([65.481, 128.553, 24.966]) / 255 + 16 + 0.5)
    height, width = (side // scale * scale for side in luma.shape)
    luma = luma[:height, :width]
    low = imresize(torch.from_numpy(luma / 255), 1 / scale)  # not rounded
    high = imresize(low, scale).numpy()
    output = np.clip(np.floor(0.9 * high * 255 + 0.5), 0, 255)
    image, truth = (plane[scale:-scale, scale:-scale].astype(np.uint8) for plane in (output, luma))

    measured = sr.evaluate(Context([astronaut]), "any", scale, lambda y: 0.9 * y, ("psnr", "ssim"))
    assert measured["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, image), abs=1e-9)
    mean = structural_similarity(
        truth, image, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )[1][5:-5, 5:-5].mean()
    assert measured["ssim"] == pytest.approx(mean, abs=1e-9)


def test_a_greyscale_picture_is_its_own_luma(tmp_path):
    Image.fromarray(data.camera()[:30, :33]).save(tmp_path / "camera.png")
    seen = []
    sr.score(Context(), tmp_path / "camera.png", 3, lambda y: seen.append(y) or y, ("psnr",))
    plane = torch.from_numpy(data.camera()[:30, :33] / 255)
    torch.testing.assert_close(seen[0][0, 0], imresize(imresize(plane, 1 / 3), 3), rtol=0, atol=0)


def test_several_pictures_are_averaged(astronaut, tmp_path):
    Image.fromarray(data.camera()[:60, :60]).save(tmp_path / "camera.png")
    both = [astronaut, tmp_path / "camera.png"]

    def psnr(paths):
        return sr.evaluate(Context(paths), "any", 2, lambda y: y, ("psnr",))["psnr"]

    assert psnr(both) == pytest.approx((psnr(both[:1]) + psnr(both[1:])) / 2, rel=1e-12)


@pytest.mark.parametrize("size", [(5, 40), (40, 6), (3, 3)])
def test_a_picture_smaller_than_the_border_is_refused_by_name(tmp_path, size):
    Image.fromarray(np.zeros(size, dtype=np.uint8)).save(tmp_path / "tiny.png")
    with pytest.raises(ValueError, match=r"tiny\.png: "):
        sr.evaluate(Context([tmp_path / "tiny.png"]), "any", 3, lambda y: y, ("psnr",))


@pytest.mark.data
@pytest.mark.parametrize(
    ("part", "fault", "at_least"),
    [
        ("srcnn", "ZeroPadded", 2),
        ("ycbcr", "swapped", 0.01),
        ("bicubic", "not_antialiased", 5),
        ("bicubic", "interpolated", 5),
    ],
)
def test_an_implementation_with_a_deliberate_fault_reads_below(artifact, part, fault, at_least):
    artifact("set5")
    artifact("srcnn_955")
    with pytest.raises(CheckFailed, match=r"srcnn/set5_x3_psnr below") as failed:
        check("srcnn", numbers="set5_x3_psnr", **{part: f"tests.faulty:{fault}"})
    short = float(str(failed.value).split("; ")[1].split(" dB")[0])
    assert short > at_least


@pytest.mark.data
def test_nan_in_the_middle_of_a_measurement_is_a_failure_in_one_line(artifact):
    artifact("set5")
    artifact("srcnn_955")
    with pytest.raises(CheckFailed, match="set5_x3_psnr failed: .*returned NaN or infinity") as failed:
        check("srcnn", numbers="set5_x3_psnr", srcnn="tests.faulty:NotANumber")
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("Smaller", r"returned shape \(1, 1, 4, 1\), not \(1, 1, 20, 17\)"),
        (
            "Narrow",
            r"its parameters do not take the authors' weights, in order: \(32, 1, 9, 9\) is not \(64, 1, 9, 9\)",
        ),
        ("no_arguments", "failed on a tiny input: TypeError: no_arguments"),
        ("swapped", "failed on a tiny input"),
    ],
)
def test_a_network_that_does_not_meet_the_contract_is_told_why(fault, complaint):
    with pytest.raises(ContractError, match=complaint) as error:
        check("srcnn", srcnn=f"tests.faulty:{fault}")
    assert "The contract: MyNet(f2) is a torch.nn.Module" in str(error.value)


def test_our_own_parts_meet_their_contracts():

    for subject in (srcnn.NETWORK, vdsr.NETWORK, sr.BICUBIC, sr.YCBCR):
        subject.check(subject.default)


def test_patches_overlap_as_the_stride_says():
    plane = torch.arange(9 * 7, dtype=torch.float64).reshape(9, 7)
    tiles = cut(plane, Recipe(1, 1, 1.0, 1, side=5, stride=2))
    assert tiles.shape == (6, 1, 5, 5)
    assert torch.equal(tiles[4, 0], plane[4:9, 0:5].float())


def test_the_eight_turns_are_all_different():
    plane = torch.arange(6.0).reshape(2, 3)
    assert len({str(turned.tolist()) for turned in turns(plane)}) == 8


def test_a_step_compares_a_smaller_output_with_the_middle_of_the_truth():
    torch.manual_seed(0)
    net = SRCNN(1, n1=2, n2=2, same_size=False)
    y, truth = torch.rand(3, 1, 15, 15), torch.rand(3, 1, 15, 15)
    expected = torch.nn.functional.mse_loss(net(y), truth[..., 6:9, 6:9])
    expected.backward()
    gradients = [p.grad.clone() for p in net.parameters()]
    recipe = Recipe(1, 3, 0.5, 1, momentum=0.0)
    before = [p.detach().clone() for p in net.parameters()]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    step(net, optimiser, y, truth, recipe)
    for parameter, old, gradient in zip(net.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * gradient)


def test_rates_drop_and_the_last_layer_has_its_own():
    recipe = Recipe(100, 1, 1e-4, 1, last_layer_rate=1e-5, drop_every=30)
    optimiser = make_optimiser(VDSR(depth=3, width=2), recipe)
    for update, factor in ((0, 1), (29, 1), (30, 0.1), (60, 0.01)):
        set_rates(optimiser, recipe, update)
        assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([1e-4 * factor, 1e-5 * factor])


class Killed(Exception):
    """What stands for a kill."""


class Resumable(Context):
    """A context that keeps its checkpoint, and is killed after so many of them."""

    seed = 3

    def __init__(self, paths, kill_after=None):
        super().__init__(paths)
        self.saved, self.curve, self.kill_after = None, [], kill_after

    def point(self, **values):
        self.curve.append({name: value for name, value in values.items() if name != "cpu_seconds"})

    def load(self):
        return self.saved

    def save(self, state):
        self.saved = copy.deepcopy(state)
        if len(self.curve) == self.kill_after:
            raise Killed


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("kill_after", [1, 2])
def test_a_training_that_was_killed_goes_on_bit_for_bit(astronaut, optimiser, kill_after):
    recipe = Recipe(6, 4, 1e-3, 2, optimiser=optimiser, side=17, stride=9, drop_every=4, theta=0.01, flips=True)

    def trained(ctx):
        torch.manual_seed(0)
        net = SRCNN(1, n1=2, n2=2)
        measured = train(ctx, net, lambda: inference(net, ctx.device), recipe, pictures=("any",), scales=(2, 3))
        return measured, net.state_dict()

    alone = Resumable([astronaut])
    expected, weights = trained(alone)
    ctx = Resumable([astronaut], kill_after)
    with pytest.raises(Killed):
        trained(ctx)
    ctx.kill_after = None
    measured, resumed = trained(ctx)
    assert measured == expected
    assert ctx.curve == alone.curve
    for name, weight in weights.items():
        assert torch.equal(resumed[name], weight), name
    assert {"psnr_x2", "psnr_x3", "bicubic_x2", "bicubic_x3"} == set(measured)


@pytest.mark.parametrize(
    ("module", "function"),
    [(srcnn, "trained_for_minutes"), (srcnn, "trained_as_paper"), (vdsr, "trained_as_paper")],
)
def test_every_recipe_runs_from_its_patches_to_its_numbers(astronaut, monkeypatch, module, function):
    for name in ("PAPER", "MINUTES"):
        if hasattr(module, name):
            recipe = replace(getattr(module, name), updates=2, batch=2, evaluate_every=1, stride=20)
            monkeypatch.setattr(module, name, recipe)
    (declared,) = getattr(module, function).experiments
    ctx = Resumable([astronaut])
    assert set(declared(ctx)) == set(declared.numbers)
    assert len(ctx.curve) == 2


def test_the_clamp_is_to_the_range_of_eight_bit_luma():
    y = torch.tensor([0.0, 15 / 255, 0.5, 236 / 255, 1.0], dtype=torch.float64)
    expected = torch.tensor([16 / 255, 16 / 255, 0.5, 235 / 255, 235 / 255], dtype=torch.float64)
    torch.testing.assert_close(sr.clamp_to_luma(y), expected, rtol=0, atol=0)
