"""Training of a recipe in many processes: the torchrun command, and the batch script for Slurm.

All other stages run in one process, so a run on many GPUs is three commands: the stages before training, the training,
and the run, which takes the finished checkpoint as it is.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.runs.folder import FRAME_CACHE

_PORT = 29500  # torch's own


def train_command(recipe: str, overrides: Sequence[str], run_dir: Path, processes: int) -> list[str]:
    """The command that trains as the run would, in several processes of one machine.

    Args:
        recipe: The recipe's name or file.
        overrides: The run's settings; those of training are handed on.
        run_dir: The run's folder.
        processes: How many processes: one for each GPU.
    """
    return ["torchrun", "--standalone", f"--nproc_per_node={processes}", *_train(recipe, overrides, run_dir)]


def _train(recipe: str, overrides: Sequence[str], run_dir: Path) -> list[str]:
    mine = [text for text in overrides if text.partition("=")[0].partition(".")[0] == "train"]
    folders = ["--out", str(run_dir / "checkpoint"), "--frame-cache", str(run_dir / FRAME_CACHE)]
    begin = ["-m", "vlm_autodrive", "train", str(run_dir / "supervision")]
    return [*begin, "--recipe", recipe, *folders, "--overwrite", *mine]


def start_training(command: Sequence[str]) -> None:
    """Start a torchrun command and wait for its end.

    Raises:
        UserError: If it fails.
    """
    # The same program by its module: it need not be on the PATH.
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", *command[1:]], check=False)
    if done.returncode:
        raise UserError(
            "the training has failed, see above; mend it and run the same command again, which goes on from the last "
            "checkpoint."
        )


def slurm_script(recipe: str, overrides: Sequence[str], run_dir: Path, name: str, nodes: int, gpus: int) -> str:
    """A batch script for Slurm that does the whole run.

    Args:
        recipe: The recipe's name or file.
        overrides: The run's settings.
        run_dir: The run's folder, on a disk that all nodes see.
        name: The job's name.
        nodes: How many nodes.
        gpus: GPUs of each.
    """
    run = shlex.join(["autodrive", "run", recipe, *overrides, "--run-dir", str(run_dir)])
    rendezvous = f'--rdzv_backend=c10d --rdzv_endpoint="$(hostname):{_PORT}"'
    torchrun = f"torchrun --nnodes={nodes} --nproc_per_node={gpus} {rendezvous}"
    return "\n".join(
        [
            "#!/bin/bash",
            f"#SBATCH --job-name={name}",
            f"#SBATCH --nodes={nodes}",
            "#SBATCH --ntasks-per-node=1",
            f"#SBATCH --gpus-per-node={gpus}",
            "# Submit with sbatch, from a folder that all nodes see; give --partition, --account and --time there.",
            "# Requeued or submitted again, it goes on where it was.",
            "set -eu",
            f"{run} --before-training",
            f"srun {torchrun} {shlex.join(_train(recipe, overrides, run_dir))}",
            run,
        ]
    )
