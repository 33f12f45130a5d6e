import pytest
from pydantic import ValidationError

from vlm_autodrive.records import TelemetrySeries


def series(**columns):
    return TelemetrySeries(video_id="v", sources=("blackvue",), alignment="the begin of the recording", **columns)


def test_speed_is_the_last_known_one():
    found = series(
        fix_times_s=(0.0, 1.0, 2.0, 9.0), speed_mps=(10.0, None, 12.0, 1.0), latitude_deg=(0.0,) * 4,
        longitude_deg=(0.0,) * 4,
    )  # fmt: skip
    assert found.speed_before(1.5) == 10.0
    assert found.speed_before(2.0) == 12.0
    assert found.speed_before(4.0) == 12.0
    assert found.speed_before(4.1) is None
    assert found.speed_before(-0.1) is None
    assert found.measured_at(2.0).speed_kmh == 43.2
    assert found.peak_g(0.0, 9.0) is None


def test_peaks_have_a_sign_and_a_time():
    found = series(
        acceleration_times_s=(0.0, 1.0, 2.0, 3.0), longitudinal_g=(0.1, -0.6, 0.5, 60.0),
        lateral_g=(0.0, 0.8, -0.9, 0.0), vertical_g=(9.0, 0.0, 0.0, 0.0),
    )  # fmt: skip
    assert found.peak_g(0.0, 0.5) == 0.1
    assert found.peak_g(0.5, 1.5) == pytest.approx(1.0)
    assert found.peak_g(4.0, 5.0) is None
    measured = found.measured_at(1.0)
    assert (measured.longitudinal_g, measured.lateral_g, measured.speed_kmh) == (-0.6, -0.9, None)
    assert found.measured_at(3.5).longitudinal_g is None  # 60 g are a fault of the sensor


@pytest.mark.parametrize(
    "columns",
    [
        {"fix_times_s": (0.0,)},
        {"acceleration_times_s": (0.0, 1.0), "longitudinal_g": (0.0, 0.0), "lateral_g": (0.0, 0.0)},
        {"acceleration_times_s": (1.0, 1.0)} | dict.fromkeys(("longitudinal_g", "lateral_g", "vertical_g"), (0.0, 0.0)),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns):
    with pytest.raises(ValidationError):
        series(**columns)
