"""Continuous sections of a video: footage without a gap, found by the clock of its packets.

A camera's clock can be set while it records, a file can be joined of several, and recording can pause. Then the clock
jumps: over minutes or a day, or back. Footage time does not: a section begins where the one before it ended, so that
the length of a video is the footage in it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from statistics import median

_GAP_S = 10.0  # frames further apart than this, and than so many usual distances, belong to two sections;
_GAP_FRAMES = 20
_BACK_S = 0.5  # where the clock goes back by more than this, and than so many usual distances, it begins anew
_BACK_FRAMES = 6
_STRAYS = 2  # so few packets with another clock, in the middle of a section, have wrong times
_TOLD = 5  # jumps
_FILES_REMEMBERED = 8  # every reading of a file asks for its timeline


@dataclass(frozen=True, eq=False)
class PacketClock:
    """The clock of a stream's packets, in the order of the file.

    Attributes:
        clock: Decoding times in ticks, or presentation times where a packet has no other; None where it has neither.
        stamps: Presentation times in ticks of the frames that begin with it; None if it begins none that is shown.
        keys: Whether decoding can begin at it.
        corrupt: Whether the container marks it as damaged.
        lengths: For how many ticks it is shown; 0 if it does not tell.
    """

    clock: tuple[int | None, ...]
    stamps: tuple[int | None, ...]
    keys: tuple[bool, ...]
    corrupt: tuple[bool, ...]
    lengths: tuple[int, ...]

    def frames_of_header(self, packets: int) -> int:
        """How many frames a header promises that counts packets: some hold second fields, or are cut off."""
        return max(0, packets - self.stamps.count(None))


@dataclass(frozen=True)
class Section:
    """One continuous section.

    Attributes:
        run: The run of the clock in which it lies: where the clock goes back, a new one begins.
        first: Its lowest presentation time, in ticks.
        last: Its highest.
        start_s: Footage time of its first frame, in seconds.
        end_s: Footage time at which it ends, and the next begins.
        jump_s: By how much the clock jumped before it.
    """

    run: int
    first: int
    last: int
    start_s: float
    end_s: float
    jump_s: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """The sections of a stream, and which packets belong to them.

    Attributes:
        sections: The sections in order; none if it is known without looking at the packets that there is but one.
        runs: Of each packet, the run of the clock that its time belongs to, from 0 on; empty if there is but one.
    """

    sections: tuple[Section, ...] = ()
    runs: tuple[int, ...] = ()

    def run_of(self, packet: int) -> int:
        """The run of the packet at this place in the stream."""
        return self.runs[packet] if packet < len(self.runs) else 0

    def footage_time(self, run: int, stamp: int, tick_s: float) -> float | None:
        """Footage time of a presentation time in a run; None if it lies so far outside that it must be wrong."""
        if run not in self._by_run:
            return None
        firsts, own = self._by_run[run]
        section = own[max(0, bisect_right(firsts, stamp) - 1)]
        if max(stamp - section.last, section.first - stamp) * tick_s > _GAP_S:
            return None
        return section.start_s + (stamp - section.first) * tick_s

    @cached_property
    def _by_run(self) -> dict[int, tuple[list[int], list[Section]]]:
        """Of each run its sections, and the lowest presentation time of each: they are asked for with every packet."""
        found: dict[int, tuple[list[int], list[Section]]] = {}
        for section in self.sections:
            firsts, own = found.setdefault(section.run, ([], []))
            firsts.append(section.first)
            own.append(section)
        return found


_Run = list[tuple[int, int]]  # place and clock of packets


@lru_cache(maxsize=_FILES_REMEMBERED)
def find_timeline(packets: PacketClock, tick_s: float, origin: int) -> Timeline:
    """The timeline of a stream.

    Args:
        packets: Its packets.
        tick_s: Seconds of a tick.
        origin: Presentation time of the first frame that decodes; what lies before it is left out.
    """
    timed = [(place, ticks) for place, ticks in enumerate(packets.clock) if ticks is not None]
    usual = _usual_distance([ticks for _, ticks in timed])
    runs, run_of = _runs(timed, usual, tick_s), [0] * len(packets.clock)
    shown: list[list[tuple[int, int]]] = [[] for _ in runs]
    for number, run in enumerate(runs):
        for place, clock in run:
            stamp = packets.stamps[place]
            # No frame is shown before it is decoded: such a packet has the time of the next run already, since its
            # decoding time lags behind.
            is_ahead = stamp is not None and stamp < clock and number + 1 < len(runs)
            run_of[place] = number + is_ahead
            if stamp is not None:
                shown[number + is_ahead].append((stamp, place))
    sections: list[Section] = []
    for number, frames in enumerate(shown):
        frames = sorted(frames) if sections else sorted(frame for frame in frames if frame[0] >= origin)
        for stamps in _stretches(frames, usual, tick_s):
            first, last = stamps[0] if sections else origin, stamps[-1]
            start_s = sections[-1].end_s if sections else 0.0
            jump_s = (first - sections[-1].last - usual) * tick_s if sections else 0.0
            end_s = start_s + (last - first + _usual_distance(stamps, usual)) * tick_s
            sections.append(Section(number, first, last, start_s, end_s, jump_s))
    return Timeline(tuple(sections), tuple(run_of) if len(runs) > 1 else ())


def is_continuous(clock: Sequence[int], tick_s: float) -> bool:
    """Whether there is but one section, by the decoding times of all packets in order."""
    usual = _usual_distance(clock)
    return not any(_is_jump(later - earlier, usual, tick_s) for earlier, later in pairwise(clock))


def gap_words(sections: Sequence[Section]) -> str:
    """Where the clock jumps, in plain words."""
    jumps = [(section.start_s, section.jump_s) for section in sections[1:]]
    told = [f"{'on' if jump_s > 0 else 'back'} by {_duration(abs(jump_s))} at {at_s:.1f} s" for at_s, jump_s in jumps]
    more = f" and {len(told) - _TOLD} more times" if len(told) > _TOLD else ""
    return f"the clock jumps {', '.join(told[:_TOLD])}{more}; the footage is {len(sections)} continuous sections"


def _runs(timed: _Run, usual: int, tick_s: float) -> list[_Run]:
    """The packets without strays, parted where the clock goes back."""
    pieces: list[_Run] = [[packet] for packet in timed[:1]]
    for earlier, later in pairwise(timed):
        if _is_jump(later[1] - earlier[1], usual, tick_s):
            pieces.append([])
        pieces[-1].append(later)
    runs: list[_Run] = []
    for number, piece in enumerate(pieces):
        if runs and number + 1 < len(pieces) and len(piece) <= _STRAYS:
            following = pieces[number + 1]
            if not _is_jump(following[0][1] - runs[-1][-1][1], usual, tick_s):
                continue
        if runs and not _is_back(piece[0][1] - runs[-1][-1][1], usual, tick_s):
            runs[-1] += piece
        else:
            runs.append(piece)
    return runs


def _stretches(shown: Sequence[tuple[int, int]], usual: int, tick_s: float) -> list[list[int]]:
    """Presentation times, parted at gaps; those of a few packets in the middle of others are strays, and left out."""
    parted: list[list[tuple[int, int]]] = [[frame] for frame in shown[:1]]
    for earlier, later in pairwise(shown):
        if _is_jump(later[0] - earlier[0], usual, tick_s):
            parted.append([])
        parted[-1].append(later)
    spans = [(min(place for _, place in part), max(place for _, place in part)) for part in parted]
    inner, furthest = set(), -1
    for first, last in sorted(spans):
        if last < furthest:
            inner.add(first)
        furthest = max(furthest, last)
    return [
        [stamp for stamp, _ in part]
        for part, (first, _) in zip(parted, spans, strict=True)
        if len(part) > _STRAYS or first not in inner
    ]


def _is_jump(distance: int, usual: int, tick_s: float) -> bool:
    gap_s = max(_GAP_S, _GAP_FRAMES * usual * tick_s)
    return distance * tick_s > gap_s or _is_back(distance, usual, tick_s)


def _is_back(distance: int, usual: int, tick_s: float) -> bool:
    return distance * tick_s < -max(_BACK_S, _BACK_FRAMES * usual * tick_s)


def _usual_distance(clock: Sequence[int], otherwise: int = 0) -> int:
    rising = [later - earlier for earlier, later in pairwise(clock) if later > earlier]
    return round(median(rising)) if rising else otherwise


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{timedelta(seconds=round(seconds))}"
