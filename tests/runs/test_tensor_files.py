"""What is saved goes to the disk piece by piece, checked, and comes back so: nothing holds a second copy in memory."""
import hashlib
import io
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from helpers.trainings import exit_code, in_child
from runs.state_file import LATEST, DamagedState, read_state, save_state
from runs.tensor_files import is_whole, write_checked, write_tensors
from runs.weight_files import read_weights, save_nets, weights_file

MB = 1 << 20


def tensors(count: int = 16) -> dict[str, Tensor]:
    """`count` of 4 MB each."""
    return {f"weight {number}": torch.full((MB,), float(number)) for number in range(count)}


class Pieces:
    """Remembers how large each piece was."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def write(self, data: memoryview) -> int:
        self.sizes.append(len(data))
        return len(data)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("write", [write_tensors, write_checked])
def test_no_piece_is_larger_than_a_tensor(write):
    pieces = Pieces()
    write(tensors(), pieces)
    assert sum(pieces.sizes) > 16 * 4 * MB and 3 * MB < max(pieces.sizes) <= 4 * MB


def old_format(content: object) -> bytes:
    """How a state has been written since there are checksums, all in memory."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    before = buffer.getvalue()[:-2]
    return before + (64).to_bytes(2, "little") + hashlib.sha256(before).hexdigest().encode()


@pytest.mark.parametrize("content", [
    {}, {"a": 1}, {"byte": torch.tensor([7], dtype=torch.uint8), "none": torch.zeros(0)}, tensors(2),
    {"rows": torch.arange(12.).reshape(3, 4).T, "part": torch.arange(9)[2:4]},
], ids=["empty", "a number", "pieces of a byte", "pieces that a thread sums up", "views"])
def test_the_bytes_are_those_of_earlier_versions(content, tmp_path: Path):
    """So their states are read, and they read ours."""
    save_state(tmp_path, content)
    assert (tmp_path / LATEST).read_bytes() == old_format(content)
    (tmp_path / LATEST).write_bytes(old_format({"old": torch.arange(5)}))
    assert torch.equal(read_state(tmp_path / LATEST)["old"], torch.arange(5))


def test_each_changed_byte_and_each_cut_is_found(tmp_path: Path):
    path = tmp_path / LATEST
    save_state(tmp_path, {"a": torch.arange(5)})
    content = path.read_bytes()
    for place in range(len(content)):
        assert not is_whole(io.BytesIO(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])), place
    for left in range(len(content)):
        assert not is_whole(io.BytesIO(content[:left])), left
    assert is_whole(io.BytesIO(content))
    path.write_bytes(content[:40])
    with pytest.raises(DamagedState, match="is damaged: its 40 bytes do not fit its checksum"):
        read_state(path)


@pytest.mark.parametrize("write", [write_tensors, write_checked])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_what_went_wrong_is_raised_and_not_that_the_archive_is_not_whole(write, failure):
    class Full(Pieces):
        def write(self, data: memoryview) -> int:
            if sum(self.sizes) > 5 * MB:
                raise failure
            return super().write(data)
    with pytest.raises(type(failure)) as raised:
        write(tensors(4), Full())
    assert raised.value is failure


def within(megabytes: int, action: Callable[[], object]) -> int:
    """The exit code of a child that does it with at most so much more memory than it has."""
    def limited() -> None:
        status = Path("/proc/self/status").read_text()
        kilobytes = int(status.partition("VmData:")[2].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (1024 * kilobytes + megabytes * MB, resource.RLIM_INFINITY))
        action()
    return exit_code(in_child(limited))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="NOT TESTED: needs /proc of Linux")
def test_neither_saving_nor_reading_holds_another_copy(tmp_path: Path):
    """Two tensors of 36 MB: glibc maps more than 32 anew, whatever is free. A thread has a stack of 8."""
    net = nn.ParameterDict({f"weight {number}": torch.full((9 * MB,), float(number)) for number in (0, 7)})
    state, path = net.state_dict(), weights_file(tmp_path, "latest", "G")
    assert within(24, lambda: save_state(tmp_path, state)) == 0
    assert within(24, lambda: save_nets(tmp_path, "latest", {"G": net})) == 0
    assert within(72 + 24, lambda: read_state(tmp_path / LATEST)) == 0
    assert within(72 + 24, lambda: read_weights(path)) == 0
    assert within(24, lambda: read_weights(path)) != 0  # the limit is felt
    assert torch.equal(read_weights(path)["weight 7"], state["weight 7"])
    assert torch.equal(read_state(tmp_path / LATEST)["weight 7"], state["weight 7"])
