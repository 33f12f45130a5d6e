"""Connecting to a Ray cluster, or starting one on this machine."""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.scale.ray_executor import RayExecutor

_REACH_S = 10.0
_INSTALL = "--on ray needs Ray; install it on every machine of the cluster: pip install 'vlm-autodrive[scale]'."


@contextmanager
def on_cluster(where: str, reporter: Reporter) -> Iterator[RayExecutor]:
    """Work on a Ray cluster for as long as the block lasts.

    Args:
        where: ``ray``: the cluster that ``RAY_ADDRESS`` names, or else one of all cores and GPUs of this machine, which
            ends with the block. ``ray=ADDRESS``: the cluster at an address such as ``10.0.0.1:6379``; ``ray=auto``: the
            one that runs on this machine.
        reporter: Told what the cluster has.

    Raises:
        UserError: If Ray is not installed, or there is no such cluster.
    """
    if find_spec("ray") is None:
        raise UserError(_INSTALL)
    name, _, address = where.partition("=")
    if name != "ray":
        raise UserError(f"--on {where} is no place to run; give --on ray, or --on ray=ADDRESS of a cluster.")
    address = address or os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # read when Ray is imported
    if "://" in address:
        raise UserError(
            f"{address} is an address for Ray's client; start the command on a machine of the cluster, or give the "
            "head's own address, such as ray=10.0.0.1:6379."
        )
    import ray
    from ray._private import worker
    from ray.data import DataContext

    # What fails is in our account, and all that Ray says of it in its own log files; it would print it on the standard
    # output, among results.
    worker._worker_logs_enabled = False
    for logger in ("ray", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "The minimum number of concurrent actors")  # where few jobs are left
    try:
        _reach(address)
        with _without_stderr():  # on which its library says which level it takes
            context = ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=True,
                ignore_reinit_error=True,
            )
    except RuntimeError as error:  # such as another version of Ray or Python there
        raise UserError(f"Ray cannot begin ({str(error).splitlines()[0]}); mend that, or leave --on out.") from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"there is no Ray cluster at {address or 'this machine'} ({str(error).splitlines()[0]}); start one with "
            "`ray start --head`, or leave the address out for one of this machine."
        ) from None
    try:
        data = DataContext.get_current()
        data.enable_progress_bars = False  # there is one of ours
        data.max_errored_blocks = -1  # a worker that dies costs its own jobs; they are tried again
        has = ray.cluster_resources()  # type: ignore[no-untyped-call]
        nodes = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
        dashboard = f"; dashboard http://{context.dashboard_url}" if context.dashboard_url else ""
        machines = "one machine" if nodes == 1 else f"{nodes} machines"
        reporter.say(f"Ray: {machines}, {has.get('CPU', 0):g} cores, {has.get('GPU', 0):g} GPUs{dashboard}.")
        yield RayExecutor(cores=has.get("CPU", 1.0), gpus=has.get("GPU", 0.0))
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Try whether anything listens at ``HOST:PORT``, for which Ray itself would wait for many minutes.

    Raises:
        OSError: If nothing does.
        ValueError: If the port is no number.
    """
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what libraries write to the standard error stream itself; exceptions are raised as ever."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
