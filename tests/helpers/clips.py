"""Small videos with sound, and what is in a video."""
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE = 44100


class Facts(NamedTuple):
    """times: when each frame is shown, in seconds; size: of the frames; sound: the packets and their times."""

    times: list[Fraction]
    size: tuple[int, int]
    frames: list[np.ndarray]
    sound: list[tuple[bytes, Fraction]]


def write_clip(path: Path, times: list[int], size: tuple[int, int] = (48, 32), sound: str = "aac") -> Path:
    """A video of gray frames that grow lighter, shown at `times`, in tenths of a second. sound: its codec, '' for none.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as clip:
        pictures = clip.add_stream("libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
        noise = clip.add_stream(sound, rate=RATE) if sound else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 25 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            clip.mux(pictures.encode(frame))
        clip.mux(pictures.encode(None))
        if noise:
            samples = np.random.default_rng(0).integers(-9999, 9999, (1, RATE * (times[-1] + 1) // 10), np.int16)
            heard = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            heard.sample_rate, heard.pts = RATE, 0
            clip.mux(noise.encode(heard))
            clip.mux(noise.encode(None))
    return path


def facts(path: Path) -> Facts:
    import av

    with av.open(str(path)) as clip:
        frames = list(clip.decode(video=0))
        shown = [frame.to_ndarray(format="rgb24") for frame in frames]
        times = [frame.pts * frame.time_base for frame in frames]
    with av.open(str(path)) as clip:
        packets = clip.demux(audio=0) if clip.streams.audio else []
        sound = [(bytes(packet), packet.pts * packet.time_base) for packet in packets if packet.pts is not None]
    return Facts(times, (frames[0].width, frames[0].height), shown, sound)
