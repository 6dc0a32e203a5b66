"""Pictures: greyscale, colour, 16 bits and palettes arrive as they are stored; what cannot be used is refused."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from dmbench.datasets.pictures import modcrop, read_picture, to_8_bits

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def saved(tmp_path, image, name="picture.png"):
    image.save(tmp_path / name)
    return tmp_path / name


def test_colour_is_channels_first_red_first(tmp_path):
    picture = read_picture(saved(tmp_path, Image.fromarray(RGB)))
    assert torch.equal(picture, torch.from_numpy(RGB).permute(2, 0, 1))


def test_greyscale_stays_as_it_is(tmp_path):
    assert torch.equal(
        read_picture(saved(tmp_path, Image.fromarray(RGB[..., 0]))), torch.from_numpy(RGB[..., 0].copy())
    )


def test_sixteen_bits_keep_their_values_and_scale_to_eight(tmp_path):
    values = np.array([[0, 128, 257, 65535]], dtype=np.uint16)
    picture = read_picture(saved(tmp_path, Image.fromarray(values)))
    assert picture.to(torch.int32).tolist() == [[0, 128, 257, 65535]]
    assert to_8_bits(picture).tolist() == [[0, 0, 1, 255]]


@pytest.mark.parametrize("mode", ["P", "1", "RGBA", "LA"])
def test_palettes_bits_and_opaque_alpha_are_resolved(tmp_path, mode):
    image = Image.fromarray(RGB).convert("L" if mode in ("1", "LA") else "RGB").convert(mode)
    picture = read_picture(saved(tmp_path, image))
    assert picture.ndim == (2 if mode in ("1", "LA") else 3)


def test_a_transparent_picture_is_refused(tmp_path):
    image = Image.fromarray(RGB).convert("RGBA")
    image.putalpha(128)
    with pytest.raises(ValueError, match=r"picture\.png: is transparent: flatten it"):
        read_picture(saved(tmp_path, image))


def test_a_transparent_colour_of_a_palette_is_refused_too(tmp_path):
    image = Image.fromarray(RGB).convert("P")
    image.save(tmp_path / "picture.png", transparency=3)
    with pytest.raises(ValueError, match=r"picture\.png: is transparent"):
        read_picture(tmp_path / "picture.png")


def test_colour_of_sixteen_bits_is_refused_since_half_of_it_would_be_lost(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)  # 2 x 1 pixels, 16 bits, RGB
    rows = zlib.compress(b"\0" + bytes(range(12)))
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    with pytest.raises(ValueError, match=r"picture\.png: 16 bits a colour.*convert it to 8 bits first"):
        read_picture(path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"BM" + bytes(60)])
def test_a_damaged_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "picture.bmp"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"picture\.bmp: damaged, or no picture"):
        read_picture(path)


def test_a_truncated_picture_is_refused_by_name(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.tile(RGB, (20, 20, 1))))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"picture\.png: damaged"):
        read_picture(path)


def test_cmyk_is_refused(tmp_path):
    with pytest.raises(ValueError, match="mode CMYK is neither greyscale nor RGB"):
        read_picture(saved(tmp_path, Image.fromarray(RGB).convert("CMYK"), "picture.tiff"))


def test_modcrop_leaves_multiples_and_the_top_left_corner():
    picture = torch.arange(7 * 8).reshape(7, 8)
    assert torch.equal(modcrop(picture, 3), picture[:6, :6])
    assert torch.equal(modcrop(picture, 1), picture)
    with pytest.raises(ValueError, match="too small for scale 9"):
        modcrop(picture, 9)
