"""Two machines train together: here two network namespaces, joined by a cable that is none."""
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.images import write_pairs
from helpers.several import ended, started, torchrun, train_line

pytestmark = pytest.mark.slow

HOSTS = tuple(f"bothways{os.getpid()}{letter}" for letter in "ab")
CABLE = tuple(f"bw{os.getpid()}{letter}" for letter in "ab")  # an interface's name has at most 15 bytes
MOVES = """
import ctypes, os, runpy, sys
host, cable, module = sys.argv[1:4]
os.environ["GLOO_SOCKET_IFNAME"] = cable
assert ctypes.CDLL(None).setns(os.open(f"/run/netns/{host}", os.O_RDONLY), 0) == 0
sys.argv = sys.argv[3:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""  # as `ip netns exec` does, in a process that has imported torch


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """The namespaces of 10.77.0.1 and 10.77.0.2."""
    if not shutil.which("ip"):
        pytest.skip("two hosts are not tested: there is no command `ip` to make network namespaces with")
    try:
        for host in HOSTS:
            ip(f"netns add {host}")
        ip(f"link add {CABLE[0]} netns {HOSTS[0]} type veth peer name {CABLE[1]} netns {HOSTS[1]}")
        for number, (host, cable) in enumerate(zip(HOSTS, CABLE, strict=True), 1):
            ip(f"-n {host} address add 10.77.0.{number}/24 dev {cable}")
            ip(f"-n {host} link set {cable} up")
            ip(f"-n {host} link set lo up")
        yield HOSTS
    except subprocess.CalledProcessError as error:
        pytest.skip(f"two hosts are not tested: network namespaces are not allowed here ({error.stderr.strip()})")
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", host], capture_output=True)


@pytest.mark.usefixtures("forks")
def test_two_hosts_train_together(hosts: tuple[str, str], tmp_path: Path):
    root = tmp_path / "dataset"
    write_pairs(root / "train", 4)
    (tmp_path / "moves.py").write_text(MOVES)
    with ExitStack() as running:
        processes = []
        for number, (host, cable) in enumerate(zip(hosts, CABLE, strict=True)):
            folder = tmp_path / host
            folder.mkdir()
            options = f"--nnodes 2 --node_rank {number} --nproc_per_node 1 --master_addr 10.77.0.1 --master_port 29500"
            python, _, *words = torchrun(options, *train_line(root, "run", "--n_epochs 1"))
            command = [python, str(tmp_path / "moves.py"), host, cable, *words]
            processes.append(running.enter_context(started(command, folder)))
        ends = [ended(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert "batch: 2 images (2 processes x 1)" in ends[0][1] and "batch:" not in ends[1][1]
    written = [sorted(path.name for path in (tmp_path / host).rglob("*.pth")) for host in hosts]
    assert "latest_net_G.pth" in written[0] and written[1] == []  # the second machine needs no folder for the run
