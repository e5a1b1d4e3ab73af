"""examples/slurm.sh and the signals of batch queues: a training saves, goes back into the queue, and on from there."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import train as command
from helpers.commands import ROOT
from helpers.images import write_pairs
from helpers.several import train_line
from helpers.trainings import fingerprint, same, stop_after
from runs.stop import StopRequest

pytestmark = pytest.mark.slow

DAEMONS = ("munged", "slurmctld", "slurmd")
CONF = """ClusterName=loop
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
JobRequeue=1
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=one NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} State=UNKNOWN
NodeName=two NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
"""


def test_a_queue_says_that_the_time_is_nearly_over(line, tmp_path: Path):
    command.main(line("whole", "--model template"))
    usr1, term = signal.SIGUSR1, signal.SIGTERM
    for signals, code in (((usr1, usr1), 75), ((usr1, term), 143)):
        with pytest.raises(SystemExit) as left, stop_after(3, *signals):
            command.main(line("run", "--model template --resume auto"))
        assert left.value.code == code
    command.main(line("run", "--model template --resume auto"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/run"))


def test_torchrun_would_start_anew_what_leaves_with_75(line, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with stop_after(3, signal.SIGUSR1):
        command.main(line("run", "--model template"))


def test_a_queue_never_stops_a_training_at_once():
    left = []
    with StopRequest(at_once=left.append) as stop:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert left == [] and (stop.check() or stop.reason, stop.exit_code) == ("SIGTERM", 143)
        os.kill(os.getpid(), signal.SIGTERM)
        assert left == [signal.SIGTERM]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A Slurm of two nodes, both of them this machine; calls its commands, and gives what they said."""
    missing = [name for name in (*DAEMONS, "sbatch") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"examples/slurm.sh is NOT TESTED in a queue: {missing or 'root'} is needed (slurm-wlm, munge)")
    place = tmp_path / "slurm"
    (place / "state").mkdir(parents=True)
    place.chmod(0o755)
    (place / "munge.key").write_bytes(os.urandom(128))
    (place / "munge.key").chmod(0o400)
    conf = place / "slurm.conf"
    conf.write_text(CONF.format(place=place, ports=free_ports(3), cpus=os.cpu_count()))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    own = [f"--{name}={place}/munge.{name.partition('-')[0]}"
           for name in ("key-file", "socket", "pid-file", "seed-file")]
    with ExitStack() as running:
        for words in (["munged", "--foreground", "--force", f"--log-file={place}/munged.log", *own],
                      ["slurmctld", "-D", "-f", conf], *(["slurmd", "-D", "-N", node] for node in ("one", "two"))):
            daemon = running.enter_context(subprocess.Popen(
                [*map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
            running.callback(daemon.terminate)
            if words[0] == "munged":
                wait_until(lambda: (place / "munge.socket").exists())

        def call(*words: object) -> str:
            return subprocess.run([*map(str, words)], text=True, capture_output=True, cwd=tmp_path).stdout
        wait_until(lambda: call("sinfo", "--noheader", "--format", "%D %t").split() == ["2", "idle"])
        yield call
        call("scancel", "--user=root")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_on_two_nodes_goes_back_into_the_queue_and_on_to_its_end(queue, tmp_path: Path, monkeypatch):
    write_pairs(tmp_path / "data/train", 4)
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    script, *words = train_line(tmp_path / "data", "run_%a", "--resume auto --n_epochs 40")
    job = queue("sbatch", "--parsable", "--array", 3, "--nodes", 2, "--cpus-per-task", 1, ROOT / "examples/slurm.sh",
                script, *words).strip()
    log, said = tmp_path / "checkpoints/run_3/loss_log.txt", tmp_path / f"slurm-{job}_3.out"
    wait_until(lambda: log.exists() and log.read_text().count("iters:") >= 4)
    queue("scancel", "--signal", "USR1", job)  # which is what Slurm itself sends before the time limit
    wait_until(lambda: said.read_text().count("weights: checkpoints/run_3") == 2 and not queue("squeue", "--noheader"))
    text = said.read_text()
    order = ["batch: 2 images (2 processes x 1)", "stopped by SIGUSR1", "left with 75: back into the queue",
             "going on with checkpoints/run_3 in epoch"]
    assert re.findall("|".join(map(re.escape, order)), text) == [*order, order[0]], text
    done = [tuple(map(int, found)) for found in re.findall(r"epoch: (\d+), iters: (\d+)", log.read_text())]
    assert done == [(epoch, images) for epoch in range(1, 41) for images in (2, 4)]
