"""Folders as dashcams write them, made from one drive that is cut without decoding it."""

from datetime import datetime, timedelta

import av

START = datetime(2023, 5, 1, 12, 0, 0)


def cut(path, cuts_s, names, folder):
    """Cut a video at key frames into files of these names; returns them in order."""
    edges = [0.0, *cuts_s, float("inf")]
    files = [folder / name for name in names]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path)) as source, av.open(str(file), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            shift = None
            for packet in source.demux(video=0):
                if packet.dts is None or not edges[number] - 1e-6 <= packet.pts * packet.time_base < edges[number + 1]:
                    continue
                shift = packet.dts if shift is None else shift
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                out.mux(packet)
    return files


def clock(seconds, form):
    """The time of a name, so many seconds after the start."""
    return (START + timedelta(seconds=seconds)).strftime(form)


def seventy_mai(kind="NO", number=1, seconds=0, channel="F"):
    """The name that a 70mai camera gives a file."""
    return f"{kind}{clock(seconds, '%Y%m%d-%H%M%S')}-{number:06d}{channel}.MP4"


def tesla(seconds, channel="front"):
    """The name that a TeslaCam gives a file."""
    return f"{clock(seconds, '%Y-%m-%d_%H-%M-%S')}-{channel}.mp4"
