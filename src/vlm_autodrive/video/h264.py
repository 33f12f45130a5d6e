"""What the packets of an H.264 stream tell of their pictures, read by the syntax of ITU-T H.264.

FFmpeg's packets leave out two things that exact reading needs: whether a packet is the second field of a frame that is
coded as two (``field_pic_flag``, section 7.3.3), and whether pictures are whole from a recovery point on or only after
some more (``recovery_frame_cnt``, section D.2.8), as in a stream with intra refresh, which has no key frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import av

_SLICE, _IDR, _SEI, _SPS = 1, 5, 6, 7
_RECOVERY_POINT = 6  # its payload type
_WITH_CHROMA_FORMAT = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))  # profile_idc
_HEAD = 64  # bytes of a NAL unit that hold what is looked at; scaling lists come behind the flags that matter


@dataclass(frozen=True)
class Field:
    """A picture that is half a frame.

    Attributes:
        frame_num: The number of its frame.
        bottom: Whether it is the bottom field.
    """

    frame_num: int
    bottom: bool

    def completes(self, other: "Field | None") -> bool:
        """Whether it and ``other``, the picture before it, are one frame."""
        return other is not None and other.frame_num == self.frame_num and other.bottom != self.bottom


class H264Syntax:
    """Reads packets of one stream."""

    def __init__(self, header: bytes) -> None:
        """Read a stream that begins with these parameter sets, as codecs have them for extra data."""
        is_avcc = header[:1] == b"\1" and len(header) > 6  # ISO/IEC 14496-15, AVCDecoderConfigurationRecord
        self._length_bytes = (header[4] & 3) + 1 if is_avcc else 0
        sets = [header[8:]] if is_avcc else list(self._units(header))
        self._frame_num_bits, self._planes, self.has_fields = 0, False, False
        for unit in sets:
            if unit[:1] and unit[0] & 31 == _SPS:
                self._read_parameters(_Bits(unit[1 : 1 + 8 * _HEAD]))
                break

    def field(self, packet: bytes) -> Field | None:
        """The field that a packet holds; None if it holds a whole frame, or cannot be read."""
        for unit in self._units(packet) if self.has_fields else ():
            if unit[0] & 31 in (_SLICE, _IDR):
                bits = _Bits(unit[1:_HEAD])
                for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
                    bits.golomb()
                bits.take(2 * self._planes)
                frame_num = bits.take(self._frame_num_bits)
                return Field(frame_num, bool(bits.take(1))) if bits.take(1) else None
        return None

    def is_whole_from(self, packet: bytes) -> bool:
        """Whether pictures are whole from a packet on that is said to be a key frame, and not only later."""
        for unit in self._units(packet):
            kind = unit[0] & 31
            if kind in (_SLICE, _IDR):
                return True
            if kind == _SEI and (count := _recovery_frames(unit[1:])) is not None:
                return count == 0
        return True

    def _units(self, content: bytes) -> Iterator[bytes]:
        if not self._length_bytes:
            yield from (unit for unit in content.split(b"\0\0\1") if unit)
            return
        at = 0
        while at + self._length_bytes < len(content):
            start = at + self._length_bytes
            at = start + int.from_bytes(content[at:start], "big")
            if at > start:
                yield content[start:at]

    def _read_parameters(self, bits: "_Bits") -> None:
        profile = bits.take(8)
        bits.take(16)  # constraint flags, level_idc
        bits.golomb()  # seq_parameter_set_id
        if profile in _WITH_CHROMA_FORMAT:
            if bits.golomb() == 3:
                self._planes = bool(bits.take(1))
            bits.golomb(), bits.golomb(), bits.take(1)  # bit depths, qpprime_y_zero_transform_bypass_flag
            if bits.take(1):  # scaling lists, which no camera writes
                return
        self._frame_num_bits = bits.golomb() + 4
        order = bits.golomb()
        if order == 0:
            bits.golomb()
        elif order == 1:
            bits.take(1)
            bits.golomb(), bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb()  # max_num_ref_frames
        bits.take(1)
        bits.golomb(), bits.golomb()  # width and height
        self.has_fields = not bits.take(1)


class FieldPairs:
    """Pairs the fields of a stream, packet by packet.

    Attributes:
        has_fields: Whether there may be any.
    """

    def __init__(self, syntax: H264Syntax | None) -> None:
        self._syntax = syntax if syntax is not None and syntax.has_fields else None
        self._first: Field | None = None
        self.has_fields = self._syntax is not None

    def complete_frame(self, packet: "av.Packet[av.VideoStream]") -> bool:
        """Whether a packet is the second field of a frame, whose time is that of the first."""
        if self._syntax is None or not packet.size:
            return False
        field = self._syntax.field(bytes(packet))
        if field is not None and field.completes(self._first):
            self._first = None
            return True
        self._first = field
        return False


class _Bits:
    """Bits of a NAL unit without its emulation prevention; zeros follow its end."""

    def __init__(self, unit: bytes) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0") + bytes(_HEAD)
        self._value, self._left = int.from_bytes(payload, "big"), 8 * len(payload)

    def take(self, count: int) -> int:
        self._left = max(0, self._left - count)
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number."""
        zeros = 0
        while self._left and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def _recovery_frames(sei: bytes) -> int | None:
    """recovery_frame_cnt of an SEI unit; None if it holds no recovery point."""
    content, at = sei.replace(b"\0\0\3", b"\0\0"), 0

    def number() -> int:
        nonlocal at
        total = 0
        while at < len(content) and content[at] == 255:
            total, at = total + 255, at + 1
        at += 1
        return total + (content[at - 1] if at <= len(content) else 0)

    while at + 2 < len(content):
        kind, size = number(), number()
        if kind == _RECOVERY_POINT:
            return _Bits(content[at : at + size]).golomb()
        at += size
    return None
