"""Pictures as Caffe takes them: colours' order, the middle, the resize as loops, and files that cannot be read."""

import pytest
import torch
from PIL import Image

from dmbench.datasets.caffe_pictures import batches, caffe_input, read_image, squashed


def picture(height, width, seed=0):
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def save(path, pixels, mode="RGB"):
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).convert(mode).save(path)
    return path


@pytest.mark.parametrize(("height", "width"), [(7, 5), (4, 9), (12, 12)])
def test_the_resize_is_bilinear_between_the_centres_of_pixels_rounded(height, width):
    x, side = picture(height, width), 6
    expected = torch.empty(3, side, side, dtype=torch.uint8)
    for i in range(side):
        for j in range(side):
            y = min(max((i + 0.5) * height / side - 0.5, 0), height - 1)
            z = min(max((j + 0.5) * width / side - 0.5, 0), width - 1)
            top, left = min(int(y), height - 2), min(int(z), width - 2)
            v, h = y - top, z - left
            for c in range(3):
                a, b, d, e = (float(x[c, top + p, left + q]) for p in (0, 1) for q in (0, 1))
                value = (1 - v) * ((1 - h) * a + h * b) + v * ((1 - h) * d + h * e)
                expected[c, i, j] = round(value)
    differs = (squashed(x, side).int() - expected.int()).abs()
    assert differs.max() <= 1  # a tie, rounded in float32
    assert differs.sum() <= 1


@pytest.mark.parametrize(("size", "side"), [((227, 227), 224), ((256, 256), 227), ((9, 6), 5)])
def test_the_middle_is_cut_out_blue_first_less_the_means(size, side):
    x = picture(*size)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    seen = caffe_input(x, side)
    assert seen.shape == (3, side, side)
    for channel, (colour, mean) in enumerate(((2, 104), (1, 117), (0, 123))):
        assert seen[channel, 0, 0] == float(x[colour, top, left]) - mean
        assert seen[channel, -1, -1] == float(x[colour, top + side - 1, left + side - 1]) - mean


def test_a_picture_smaller_than_what_is_cut_out_is_refused():
    with pytest.raises(ValueError, match="a picture of 9 x 4 pixels is smaller than 5 x 5"):
        caffe_input(picture(9, 4), 5)


def test_greyscale_and_cmyk_become_rgb(tmp_path):
    flat = torch.full((3, 8, 8), 90, dtype=torch.uint8)
    for mode in ("L", "CMYK", "RGB"):
        seen = read_image(save(tmp_path / f"{mode}.jpg", flat, mode))
        assert seen.shape == (3, 8, 8)
        assert (seen.int() - 90).abs().max() <= 2, mode


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None])
def test_a_file_that_is_damaged_or_cut_short_is_named_in_one_line(tmp_path, content):
    path = save(tmp_path / "a.JPEG", picture(64, 64))
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(ValueError, match="a.JPEG: damaged, or no picture") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("count", "size"), [(13, 3), (6, 3), (1, 4), (0, 2)])
def test_batches_give_every_picture_once_in_order(tmp_path, threads, count, size):
    paths = [tmp_path / f"{i}.png" for i in range(count)]
    pictures = [picture(12, 10, seed=i) for i in range(count)]
    for path, one in zip(paths, pictures, strict=True):
        save(path, one)
    found = list(batches(paths, 8, resize=None, batch=size, threads=threads))
    assert [place for _, places, _ in found for place in places] == list(range(count))
    assert [len(x) for x, _, _ in found] == [len(places) for _, places, _ in found]
    for x, places, unreadable in found:
        assert unreadable == []
        for one, place in zip(x, places, strict=True):
            assert torch.equal(one, caffe_input(pictures[place], 8))


def test_batches_squash_first_where_they_are_told_to(tmp_path):
    one = picture(12, 30)
    ((x, _, _),) = batches([save(tmp_path / "a.png", one)], 8, resize=10, batch=4)
    assert torch.equal(x[0], caffe_input(squashed(one, 10), 8))


def test_batches_leave_out_what_cannot_be_read_and_say_which(tmp_path):
    paths = [save(tmp_path / f"{i}.png", picture(9, 9, i)) for i in range(5)]
    paths[1].write_bytes(b"")
    paths[3].unlink()
    paths[4] = save(tmp_path / "small.png", picture(4, 4))
    found = list(batches(paths, 8, resize=None, batch=2))
    assert [places for _, places, _ in found] == [[0], [2], []]
    assert found[2][0].shape == (0, 3, 8, 8)
    lines = [line for _, _, unreadable in found for line in unreadable]
    assert [
        [name in line for name in ("1.png", "3.png", "small.png: a picture of 4 x 4")] for line in lines
    ] == torch.eye(3, dtype=bool).tolist()
