"""Field-coded H.264 (PAFF), as camcorders write it: two packets a frame. No encoder here makes it, so it is written by
the syntax of ITU-T H.264, with I_PCM macroblocks only."""

import io

import av
import numpy as np

FPS, IDR_EVERY = 25, 12


class _Nal:
    def __init__(self):
        self._bits = []

    def fixed(self, count, value):
        self._bits.append(format(value, f"0{count}b"))
        return self

    def golomb(self, *values):
        for value in values:
            coded = format(value + 1, "b")
            self._bits.append("0" * (len(coded) - 1) + coded)
        return self

    def samples(self, values):
        bits = "".join(self._bits)
        self._bits = [bits, "0" * (-len(bits) % 8), "".join(format(value, "08b") for value in values)]
        return self

    def unit(self, kind, importance):
        bits = "".join(self._bits) + "1"
        bits += "0" * (-len(bits) % 8)
        escaped, zeros = bytearray(), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = 0 if byte else zeros + 1
        return b"\0\0\0\1" + bytes([importance << 5 | kind]) + escaped


def _stream(pictures, height, width):
    """An elementary stream; ``pictures`` are luma planes."""
    out = _Nal().fixed(3, 7).unit(9, 0)
    parameters = _Nal().fixed(8, 77).fixed(8, 0).fixed(8, 30).golomb(0, 4, 0, 4, 1).fixed(1, 0)
    parameters.golomb(width // 16 - 1, height // 32 - 1).fixed(5, 0b00101)
    parameters.fixed(4, 0).fixed(1, 1).fixed(32, 1).fixed(32, 2 * FPS).fixed(5, 0b10000)
    out += parameters.unit(7, 3)
    out += _Nal().golomb(0, 0).fixed(2, 0).golomb(0, 0, 0).fixed(3, 0).golomb(0, 0, 0).fixed(3, 0).unit(8, 3)
    for number, picture in enumerate(pictures):
        place = number % IDR_EVERY
        for bottom in (0, 1):
            is_idr = not place and not bottom
            out += _Nal().fixed(3, 0).unit(9, 0)
            coded = _Nal().golomb(0, 7, 0).fixed(8, place).fixed(1, 1).fixed(1, bottom)
            if is_idr:
                coded.golomb(number // IDR_EVERY % 2)
            coded.fixed(8, (2 * place + bottom) % 256).fixed(2 if is_idr else 1, 0).golomb(0)
            field = picture[bottom::2]
            for top in range(0, height // 2, 16):
                for left in range(0, width, 16):
                    block = field[top : top + 16, left : left + 16]
                    coded.golomb(25).samples([*block.ravel().tolist(), *[128] * 128])
            out += coded.unit(5 if is_idr else 1, 3)
    return out


def write_field_coded(path, count=60, size=(128, 64)):
    """Write a clock as :func:`tests.clocks.write_clock`, at 25 frames a second."""
    width, height = size
    clocks = [
        np.broadcast_to(np.repeat([235 if n >> b & 1 else 16 for b in range(8)], width // 8), (height, width))
        for n in range(count)
    ]
    raw = io.BytesIO(bytes(_stream(clocks, height, width)))
    with av.open(raw, format="h264", options={"framerate": str(2 * FPS)}) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            packet.pts = packet.dts = round(number / (2 * FPS) / packet.time_base)
            out.mux(packet)
    return path
