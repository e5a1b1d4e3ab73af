"""What neither the machine nor the options can do ends with one message and the right exit code; so does Ctrl-C."""
import multiprocessing
import os
import re
import signal
import subprocess
import sys

import pytest
import torch

import train as train_command
from helpers.commands import ROOT

# Too little of the machine


def test_too_little_memory_names_the_flags_that_help(train, failure):
    code, said = failure(train, "--model pix2pix --netG unet_128 --ngf 200000")  # 164 TB: more than can be addressed
    assert code == 1
    assert "there is too little memory: " in said and "can't allocate memory" in said
    assert all(flag in said for flag in ("--batch_size", "--crop_size", "--load_size", "--ngf", "--ndf", "--netG"))


def test_too_little_memory_in_testing(trained, translate, failure):
    trained("--model template")
    code, said = failure(translate, "--model test --dataset_mode aligned --crop_size 600000000")
    assert code == 1
    assert "there is too little memory" in said and "--batch_size" in said and "--load_size" in said


def test_workers_that_cannot_start(train, failure, monkeypatch):
    def refuse(process):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    code, said = failure(train, "--model template --num_threads 2")
    assert code == 1
    assert "the worker processes of --num_threads failed: [Errno 11] Resource temporarily unavailable" in said
    assert "or --num_threads 0 to load images in the main process" in said


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="only a forked worker sees the patch")
def test_workers_that_die(attentive, train, failure, monkeypatch):
    from data.aligned_dataset import AlignedDataset

    monkeypatch.setattr(AlignedDataset, "sample", lambda *_: os.kill(os.getpid(), signal.SIGKILL))  # memory has ended
    code, said = failure(train, "--model template --num_threads 2")
    assert code == 1
    assert re.search(r"the worker processes of --num_threads failed: DataLoader worker .*(killed|exited)", said), said
    assert "give a smaller --num_threads" in said


# Options, folders and devices

def test_model_test_cannot_be_trained(train, failure):
    code, said = failure(train, "--model test")
    assert code == 2
    assert "--model test translates and cannot be trained; train with --model pix2pix or cycle_gan" in said


def test_colours_without_their_model(train, failure):
    code, said = failure(train, "--model pix2pix --dataset_mode colorization")
    assert code == 2 and "colorization gives lightness and colour" in said and "need --model colorization" in said


def test_a_folder_that_cannot_be_written(train, trained, translate, dataroot, failure):
    trained("--model template")
    code, said = failure(translate, f"--model template --results_dir {dataroot}/test/1.png")
    assert code == 1
    assert said.endswith(f"error: [Errno 20] Not a directory: '{dataroot}/test/1.png/run/test_latest/images'\n")
    code, said = failure(train, f"--model template --checkpoints_dir {dataroot}/test/1.png")
    assert code == 1 and said.endswith(f"error: [Errno 20] Not a directory: '{dataroot}/test/1.png/run'\n")


def test_no_dataroot_at_all(failure):
    code, said = failure(lambda line: train_command.main(line.split()), "--model pix2pix")
    assert code == 2
    assert "--dataroot is missing. For example: train.py --dataroot ./datasets/toy_maps --model pix2pix" in said


def test_a_gpu_that_is_not_there(train, failure, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, said = failure(train, "--model template --gpu_ids 0")
    assert code == 2
    assert f"--gpu_ids 0: torch {torch.__version__} sees 0 CUDA GPUs here" in said
    assert "leave out --gpu_ids" in said and "--gpu_ids -1 for the CPU" in said


def test_several_gpus_are_for_torchrun(train, failure):
    code, said = failure(train, "--model template --gpu_ids 0,1")
    assert code == 2 and "start `torchrun --nproc_per_node 2 train.py ...` without --gpu_ids" in said


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_ctrl_c_ends_quietly(dataroot, tmp_path):
    line = (f"train.py --dataroot {dataroot} --checkpoints_dir {tmp_path} --name run --model template --gpu_ids -1 "
            "--ngf 2 --netG resnet_6blocks --load_size 16 --crop_size 16 --display_id 0 --num_threads 2 --print_freq 1 "
            "--no_html")
    process = subprocess.Popen([sys.executable, *line.split()], cwd=ROOT, text=True, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for line in process.stdout:
            if line.startswith("(epoch: 2"):
                break
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to the workers too
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and said.count("stopping after this step") == 1 and "Traceback" not in said


@pytest.mark.parametrize("line, said", [
    ("--ngf 0", "--ngf: 0 is too small, expected at least 1"),
    ("--epoch_count 0", "--epoch_count: 0 is too small, expected at least 1"),
    ("--model pix2pix --dataset_mode single", "--model pix2pix needs A and B, and --dataset_mode single gives only A"),
])
def test_options_that_cannot_work_are_refused(train, failure, line, said):
    code, found = failure(train, line)
    assert code == 2 and said in found
