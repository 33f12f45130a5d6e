"""Telemetry files as cameras and loggers write them, with numbers that a test knows."""

import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import numpy as np

BEGIN = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
BEGIN_MS = 1600000000123
_SUBTITLE_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


def write_video_with(path, packets, *, kind="bin_data", seconds=4, step_s=1.0, offset_s=0.0, creation_time=None):
    """A video at 10 frames a second with a track of further packets, one every ``step_s``."""
    with av.open(str(path), "w") as out:
        if creation_time:
            out.metadata["creation_time"] = creation_time
        video = out.add_stream("libx264", rate=10, options={"preset": "ultrafast", "bf": "0"})
        video.width, video.height, video.pix_fmt = 128, 64, "yuv420p"
        if packets:
            track = out.add_data_stream(kind) if kind == "bin_data" else out.add_stream(kind)
            track.time_base = Fraction(1, 1000)
            if kind != "bin_data":
                track.codec_context.subtitle_header = _SUBTITLE_HEADER
        for number in range(round(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 128, 3), number % 256, np.uint8), "rgb24")
            frame.pts = number + round(10 * offset_s)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.pts = packet.dts = round(1000 * (number * step_s + offset_s))
            packet.duration = round(1000 * step_s)
            out.mux(packet)
    return path


def klv(key, kind, size, repeat, content):
    """One entry of GPMF."""
    return key + kind + bytes([size]) + struct.pack(">H", repeat) + content + b"\0" * (-len(content) % 4)


def nested(key, *entries):
    content = b"".join(entries)
    return klv(key, b"\0", 1, len(content), content)


def gpmf_payload(readings=(), fixes=(), *, axes=b"ZXY", scale=417, fix=3, precision=150, newer=False):
    """A second of GPMF: raw readings of the accelerometer, and fixes (degrees, degrees, m/s)."""
    streams = []
    if len(readings):
        told = [klv(b"ORIN", b"c", 1, 3, axes)] if axes else []
        read = b"".join(struct.pack(">hhh", *reading) for reading in readings)
        streams.append(
            nested(
                b"STRM", klv(b"STNM", b"c", 1, 13, b"Accelerometer"), *told, klv(b"SIUN", b"c", 4, 1, b"m/s\xb2"),
                klv(b"SCAL", b"s", 2, 1, struct.pack(">h", scale)), klv(b"ACCL", b"s", 6, len(readings), read),
            )
        )  # fmt: skip
    rows = [(round(lat * 1e7), round(lon * 1e7), 500000, round(v * 1000), round(v * 100)) for lat, lon, v in fixes]
    if newer:
        packed = b"".join(struct.pack(">7i2H", *row, 7500, 43200123, precision, fix) for row in rows)
        scales = struct.pack(">9i", 10**7, 10**7, 1000, 1000, 100, 1, 1000, 100, 1)
        streams.append(
            nested(
                b"STRM", klv(b"TYPE", b"c", 1, 9, b"lllllllSS"), klv(b"SCAL", b"l", 4, 9, scales),
                klv(b"GPS9", b"?", 32, len(rows), packed),
            )
        )  # fmt: skip
    elif rows:
        packed = b"".join(struct.pack(">5i", *row) for row in rows)
        scales = struct.pack(">5i", 10**7, 10**7, 1000, 1000, 100)
        streams.append(
            nested(
                b"STRM", klv(b"GPSF", b"L", 4, 1, struct.pack(">L", fix)),
                klv(b"GPSP", b"S", 2, 1, struct.pack(">H", precision)), klv(b"SCAL", b"l", 4, 5, scales),
                klv(b"GPS5", b"l", 20, len(rows), packed),
            )
        )  # fmt: skip
    return nested(b"DEVC", klv(b"DVID", b"L", 4, 1, struct.pack(">L", 1)), *streams)


def rmc(time, latitude, longitude, speed_mps, status="A", talker="GP"):
    """One NMEA sentence with its checksum."""
    if status != "A":
        body = f"{talker}RMC,{time:%H%M%S}.00,V,,,,,,,{time:%d%m%y},,,N"
    else:
        north, east = abs(latitude), abs(longitude)
        body = (
            f"{talker}RMC,{time:%H%M%S}.{time.microsecond // 10000:02d},A,"
            f"{int(north):02d}{60 * (north % 1):08.5f},{'N' if latitude >= 0 else 'S'},"
            f"{int(east):03d}{60 * (east % 1):08.5f},{'E' if longitude >= 0 else 'W'},"
            f"{speed_mps * 3600 / 1852:.4f},,{time:%d%m%y},,,A"
        )
    total = 0
    for character in body.encode():
        total ^= character
    return f"${body}*{total:02X}".encode()


def drive(seconds, *, begin=BEGIN, speed_mps=10.0, latitude=52.5, longitude=13.4):
    """Time, latitude, longitude and speed, once a second, of a drive to the north."""
    metres = 6_371_000 * np.pi / 180
    return [
        (begin + timedelta(seconds=second), latitude + second * speed_mps / metres, longitude, speed_mps)
        for second in range(seconds)
    ]


def nmea(points):
    return b"\r\n".join(rmc(*point) for point in points) + b"\r\n"


def gps_of_blackvue(points, *, begin_ms=BEGIN_MS):
    """A ``.gps`` file; the first stamp stands before a sentence that is not read."""
    lines = [f"[{begin_ms}]$GPGGA,,,,,,0,,,,,,,,*66".encode()]
    lines += [
        f"[{begin_ms + round(1000 * (point[0] - points[0][0]).total_seconds())}]".encode() + rmc(*point)
        for point in points
    ]
    return b"\r\n\r\n".join(lines)


def shocks_of_blackvue(times_s, forward_g, right_g, up_g):
    """A ``.3gf`` file, padded as the cameras do."""
    rows = zip(times_s, up_g, right_g, forward_g, strict=True)
    packed = [struct.pack(">Ihhh", round(1000 * time_s), *(round(128 * g) for g in values)) for time_s, *values in rows]
    return b"".join(packed) + b"\xff" * 40


def gpx(points, *, speed=False):
    told = "".join(
        f'<trkpt lat="{latitude:.7f}" lon="{longitude:.7f}"><time>{time:%Y-%m-%dT%H:%M:%S}Z</time>'
        + (f"<speed>{speed_mps}</speed>" if speed else "")
        + "</trkpt>"
        for time, latitude, longitude, speed_mps in points
    )
    version = "1.0" if speed else "1.1"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><gpx version="{version}" creator="test" '
        f'xmlns="http://www.topografix.com/GPX/{version.replace(".", "/")}"><trk><trkseg>{told}</trkseg></trk></gpx>'
    ).encode()


def boxed(kind, content):
    """An MP4 box."""
    return struct.pack(">I", 8 + len(content)) + kind + content
