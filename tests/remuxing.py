"""Videos written anew without decoding them."""

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
