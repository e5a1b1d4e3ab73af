#!/usr/bin/env bash
# A training, or a translation of everything, in a Slurm queue; it goes on until it is done. From the project's folder:
#
#   sbatch examples/slurm.sh train.py --dataroot /data/facades --name facades --model pix2pix --resume auto
#   sbatch --nodes 4 --ntasks-per-node 8 --gpus-per-node 8 examples/slurm.sh train.py ... --resume auto
#   sbatch --array 0-4 examples/slurm.sh train.py ... --name facades_%a --seed %a --resume auto
#   sbatch examples/slurm.sh test.py --name facades --dataroot /data/photos --output /data/everything
#
# A process for each task, each on the GPU of its number, so ask for as many GPUs as tasks; without GPUs they compute on
# the CPU. %a is the number of an array's element. PYTHON chooses the interpreter.
#
# Two minutes before the time limit Slurm sends SIGUSR1 to the processes: train.py finishes the step, saves and leaves
# with 75. The job then goes back into the queue, as it does after SIGTERM (preemption), and goes on from there. scancel
# ends it for good; that saves, too.

#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

trap : TERM  # Slurm sends it to this script as well, which has to see how the processes end

export MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
srun bash -c '
    export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
    export LOCAL_WORLD_SIZE=$((SLURM_NTASKS / SLURM_NNODES)) MASTER_ADDR=$SLURM_LAUNCH_NODE_IPADDR
    exec "${PYTHON:-python}" "$@"' task "${@//%a/${SLURM_ARRAY_TASK_ID:-}}"
code=$?

running() { [ "$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T)" = RUNNING ]; }  # not so after scancel
case $code in
    75 | 138) again=yes ;;                # the time is nearly up; 138: SIGUSR1 ended it, as it does test.py
    143) running && again=yes ;;          # SIGTERM
esac
if [ "${again:-}" ]; then
    echo "left with $code: back into the queue"
    scontrol requeue "$SLURM_JOB_ID" && exit
fi
exit "$code"
