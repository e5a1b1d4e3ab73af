"""Videos, frame by frame, with PyAV. Sound is taken over as it is; frames keep their times."""
from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from util.errors import UserError
from util.files import temporary_beside

if TYPE_CHECKING:
    from door.translator import Translator

ENCODERS = {"webm": "libvpx-vp9"}  # all others take H.264
QUALITY = {"libx264": {"crf": "16"}, "libvpx-vp9": {"crf": "20", "b": "0"}}  # hardly to be told from the frames


def import_av() -> Any:
    """PyAV. UserError when it is not installed."""
    try:
        import av
    except ImportError:
        raise UserError("videos need PyAV: pip install .[video]") from None
    return av


def translate_video(translator: Translator, source: Path, target: Path, formats: Mapping[str, str], batch_size: int,
                    progress: Callable[[int, int], None]) -> list[str]:
    """Translate a video into another one; returns notices. formats: the container by the target's ending.

    UserError when it cannot be read, the target is no video, or its container cannot hold it.
    """
    av = import_av()
    if target.suffix.lower() not in formats:
        raise UserError(f"{source} is a video, which {target} cannot hold; expected one of {', '.join(formats)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(target)
    try:
        place = str(source.absolute())  # else 10:30.mp4 would be a protocol
        with av.open(place) as clip, av.open(place) as again, \
                av.open(str(temporary.absolute()), "w", format=formats[target.suffix.lower()]) as made:
            if not clip.streams.video:
                raise UserError(f"{source} holds no video")
            notices = _Writing(made, clip, again).write(translator, batch_size, progress)
        temporary.replace(target)
        return notices
    except av.FFmpegError as error:
        raise UserError(f"{source} cannot be translated into {target}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


class _Writing:
    """A video that is being written. clip: whose pictures are read, again: the same file, whose sound is read."""

    def __init__(self, made: Any, clip: Any, again: Any):
        self.made, self.pictures, self.notices = made, clip.streams.video[0], list[str]()
        self.pictures.thread_type = "AUTO"
        self.frames = clip.decode(self.pictures)
        self.sounds = {stream: made.add_stream_from_template(stream) for stream in again.streams.audio
                       if self._holds(stream)}
        self.packets = _with_times(again.demux(*self.sounds)) if self.sounds else iter(())
        self.ahead: Any = None  # a packet of sound that is later than the frame
        dropped = [stream.type for stream in clip.streams if stream.type not in ("video", "audio")]
        if dropped:
            self.notices.append(f"note: what is no picture and no sound is left out: {', '.join(sorted(set(dropped)))}")

    def _holds(self, stream: Any) -> bool:
        name = stream.codec_context.codec.canonical_name
        if name in self.made.supported_codecs:
            return True
        self.notices.append(f"note: the sound is left out: a {self.made.format.name} file cannot hold {name}")
        return False

    def write(self, translator: Translator, batch_size: int, progress: Callable[[int, int], None]) -> list[str]:
        """All frames and all sound; returns notices."""
        times: deque[tuple[int, Fraction]] = deque()
        count, stream = self.pictures.frames, None
        for number, picture in enumerate(translator.each(self._images(times), batch_size), start=1):
            if not isinstance(picture, Image.Image):
                raise UserError(f"a video has gray or RGB pictures of 8 bits, and the generator gives "
                                f"{picture.shape[2]} channels of {picture.dtype}; translate its frames as files")
            stream = stream or self._begin(picture)
            time, unit = times.popleft()
            self._sound_until(time * unit)
            self._put(stream, picture, time, unit)
            progress(number, max(count, number) if count else 0)
        if stream is None:
            raise UserError("it holds no frame that can be read")
        self._sound_until(None)
        self.made.mux(stream.encode(None))
        return self.notices

    def _images(self, times: deque[tuple[int, Fraction]]) -> Iterator[Image.Image]:
        """The frames, upright; notes when each is shown."""
        for number, frame in enumerate(self.frames):
            unit = frame.time_base or self.pictures.time_base
            rate = self.pictures.average_rate or 25
            times.append((frame.pts if frame.pts is not None else round(number / (rate * unit)), unit))
            yield frame.to_image().rotate(frame.rotation, expand=True)

    def _begin(self, first: Image.Image) -> Any:
        """The stream of pictures, of the size of the first."""
        codec = ENCODERS.get(self.made.format.name, "libx264")
        stream = self.made.add_stream(codec, rate=self.pictures.average_rate or 25, options=QUALITY[codec])
        stream.width, stream.height = first.size
        odd = first.width % 2 or first.height % 2
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"  # half as many colours need even sides
        stream.codec_context.time_base = self.pictures.time_base
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = 1  # of television, as in most videos
        return stream

    def _put(self, stream: Any, picture: Image.Image, time: int, unit: Fraction) -> None:
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        frame = VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24").reformat(
            format=stream.pix_fmt, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = time, unit
        self.made.mux(stream.encode(frame))

    def _sound_until(self, time: Fraction | None) -> None:
        """The packets of sound up to a time in seconds, or all that are left."""
        for packet in itertools.chain([self.ahead] if self.ahead else [], self.packets):
            if time is not None and packet.pts * packet.time_base > time:
                self.ahead = packet
                return
            packet.stream = self.sounds[packet.stream]
            self.made.mux(packet)
        self.ahead = None


def _with_times(packets: Iterator[Any]) -> Iterator[Any]:
    """Without the empty packets that end a stream."""
    return (packet for packet in packets if packet.pts is not None)
