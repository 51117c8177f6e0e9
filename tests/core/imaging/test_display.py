"""The display pipeline against values worked out by hand from PS3.3 C.11.2."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.study import Window
from core.imaging.decoded import VoiLut
from core.imaging.display import apply, apply_voi, default_window, display_lut, is_inverted


def grey(values: list[float], voi: Window | VoiLut) -> list[float]:
    return [float(v) for v in apply_voi(np.array(values, np.float64), voi)]


class TestFunctions:
    def test_linear_as_in_the_standard(self) -> None:
        # C.11.2.1.2.1, c = 2048, w = 4096: -0 -> 0, 4095 -> 1, and one step is 1 / 4095
        window = Window(centre=2048, width=4096)
        assert grey([0, 4095, 2048], window) == pytest.approx([0, 1, 2048 / 4095])
        # c = 2048, w = 1: a threshold at 2047.5
        assert grey([2047, 2048], Window(centre=2048, width=1)) == [0, 1]
        # c = 0, w = 100: the ramp runs from -50 to 49
        assert grey([-50, 49, -51, 50], Window(centre=0, width=100)) == pytest.approx([0, 1, 0, 1])

    def test_linear_exact_runs_from_edge_to_edge(self) -> None:
        window = Window(centre=2048, width=4096, function="LINEAR_EXACT")
        assert grey([0, 2048, 4096, 1024], window) == pytest.approx([0, 0.5, 1, 0.25])

    def test_sigmoid_is_one_half_at_its_centre_with_slope_one_over_width(self) -> None:
        window = Window(centre=2653, width=900, function="SIGMOID")
        assert grey([2653], window) == [0.5]
        assert grey([2653 + 450], window)[0] == pytest.approx(1 / (1 + math.exp(-2)))
        high, low = grey([2653.5, 2652.5], window)
        assert high - low == pytest.approx(1 / 900, rel=1e-5)
        assert grey([-1e9, 1e9], Window(centre=0, width=0.001, function="SIGMOID")) == pytest.approx([0, 1])

    def test_a_table_holds_its_ends(self) -> None:
        data = np.array([0, 1000, 4095], "<u2").tobytes()
        table = VoiLut(first=100, bits=12, data=data)
        assert grey([0, 100, 101, 102, 5000], table) == pytest.approx([0, 0, 1000 / 4095, 1, 1])


class TestTables:
    def test_rescale_comes_before_the_window_and_inversion_last(self) -> None:
        window = Window(centre=0, width=200, function="LINEAR_EXACT")
        lut = display_lut(np.dtype(np.uint16), window, slope=2, intercept=-100)
        assert (lut[0], lut[50], lut[100]) == (0, 128, 255)
        np.testing.assert_array_equal(
            display_lut(np.dtype(np.uint16), window, slope=2, intercept=-100, inverted=True)[[0, 100]], [255, 0]
        )

    def test_signed_values_find_their_entry(self) -> None:
        pixels = np.array([[-32768, -1], [0, 32767]], np.int16)
        lut = display_lut(pixels.dtype, Window(centre=0, width=2, function="LINEAR_EXACT"))
        assert apply(pixels, lut).tolist() == [[0, 0], [128, 255]]

    @settings(max_examples=25, deadline=None)
    @given(
        centre=st.floats(-100, 5000),
        width=st.floats(1, 5000),
        function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    )
    def test_grey_never_falls_as_values_rise_and_inversion_mirrors_it(
        self, centre: float, width: float, function: str
    ) -> None:
        window = Window(centre=centre, width=width, function=function)
        lut = display_lut(np.dtype(np.uint16), window).astype(int)
        assert (np.diff(lut) >= 0).all()
        mirrored = display_lut(np.dtype(np.uint16), window, inverted=True).astype(int)
        assert np.abs(255 - lut - mirrored).max() <= 1  # a value at one half rounds up either way

    def test_padding_is_black_in_either_photometric(self) -> None:
        window = Window(centre=100, width=200)
        for inverted in (False, True):
            assert display_lut(np.dtype(np.uint16), window, inverted=inverted, padding=(4095, 4095))[4095] == 0

    def test_apply_writes_into_a_given_buffer(self) -> None:
        pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
        out = np.empty((3, 4), np.uint8)
        lut = display_lut(pixels.dtype, Window(centre=5.5, width=11, function="LINEAR_EXACT"))
        assert apply(pixels, lut, out=out) is out
        assert out[0, 0] == 0 and out[2, 3] == 255

    def test_a_table_of_another_type_is_an_error(self) -> None:
        lut = display_lut(np.dtype(np.uint8), Window(centre=1, width=2))
        with pytest.raises(ValueError, match="256 entries"):
            apply(np.zeros((2, 2), np.uint16), lut)
        with pytest.raises(ValueError, match="uint8, uint16 or int16"):
            display_lut(np.dtype(np.float32), Window(centre=1, width=2))


class TestDefaultWindow:
    def breast(self) -> np.ndarray:
        """Half air at 10, half breast from 1000 to 3000."""
        pixels = np.full((100, 200), 10, np.uint16)
        pixels[:, 100:] = np.linspace(1000, 3000, 10_000).round().reshape(100, 100)
        return pixels

    def test_the_file_goes_first_where_it_has_one(self) -> None:
        windows = (Window(centre=5, width=6), Window(centre=7, width=8))
        assert default_window(self.breast(), windows, "file") == windows[0]
        assert default_window(self.breast(), (), "file") == default_window(self.breast(), windows, "percentile")

    def test_percentiles_are_those_of_the_breast_alone(self) -> None:
        window = default_window(self.breast(), (), "percentile")
        low, high = window.centre - window.width / 2, window.centre + window.width / 2
        assert low == pytest.approx(1010, abs=2) and high == pytest.approx(2998, abs=2)
        assert window.function == "LINEAR_EXACT"

    def test_monochrome1_has_its_background_at_the_bright_end(self) -> None:
        stored = (4095 - self.breast()).astype(np.uint16)
        window = default_window(stored, (), "percentile", inverted=is_inverted("MONOCHROME1"))
        plain = default_window(self.breast(), (), "percentile")
        assert window.width == pytest.approx(plain.width, abs=1)
        shown = apply(stored, display_lut(stored.dtype, window, inverted=True))
        twin = apply(self.breast(), display_lut(stored.dtype, plain))
        assert np.abs(shown.astype(int) - twin).max() <= 1

    def test_padding_and_rescale_count(self) -> None:
        pixels = self.breast()
        pixels[:, :50] = 65_535
        window = default_window(pixels, (), "percentile", slope=2, intercept=-1000, padding=(65_535, 65_535))
        assert window.centre - window.width / 2 == pytest.approx(2 * 1010 - 1000, abs=4)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
    def test_a_flat_picture_has_a_window_of_width_one(self, dtype: type) -> None:
        window = default_window(np.full((8, 8), 7, dtype), (), "percentile")
        assert (window.centre, window.width) == (7, 1)
