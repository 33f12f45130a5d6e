"""Videos written anew without decoding them."""

from fractions import Fraction
from pathlib import Path

import av


def faststart(path: Path, target: Path) -> Path:
    """The same packets with the index in front, so that a cut-off file still opens."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target


def spoil_pictures(path: Path, first: int) -> Path:
    """Overwrite the pictures from number ``first`` on in their place: the packets stay sound, decoding does not."""
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for position, size in places[first:]:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    return path


def cut_by_edit_list(path, start_s):
    """Copy from the key frame before ``start_s`` on; an edit list says that the video begins at ``start_s``."""
    with av.open(str(path)) as source:
        keys_s = [float(p.pts * p.time_base) for p in source.demux(video=0) if p.size and p.is_keyframe]
    keep_from_s = max(key_s for key_s in keys_s if key_s <= start_s)
    target = path.with_name("edited.mp4")
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is None or packet.pts * packet.time_base < keep_from_s - 1e-6:
                continue
            shift = round(Fraction(start_s).limit_denominator(1000) / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            out.mux(packet)
    return target
