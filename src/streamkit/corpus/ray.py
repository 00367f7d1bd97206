"""On Ray: a dataset of Ray Data, and the parts of a run as tasks.

    out = reassemble(ray.data.read_parquet("s3://logs/"), keep=("request_id",))      # lazy, as every Dataset

Ray starts its workers niced by 15: on a machine that has other work set RAY_worker_niceness=0 before ray.init, and give it two
CPUs at least; with one, Ray Data waits for ever. `run` does both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ._kernel import reassemble_batch

__all__ = ("reassemble", "run")


def reassemble(dataset: Any, **options: Any) -> Any:
    """Return the responses as a `ray.data.Dataset`. `options`: like those of `reassemble_batch`. A block of the dataset (128 MB by Ray's
    default) is a batch, whatever its rows."""
    shape = {"batch_format": "pyarrow", "batch_size": None, "zero_copy_batch": True}
    return dataset.map_batches(reassemble_batch, fn_kwargs=options, **shape)


def run(function: Callable[[Any], Any], jobs: Iterable[Any], *, workers: int) -> Iterator[Any]:
    """Yield `function(job)` as each is done, `workers` at a time. A task whose worker dies is run again. Starts Ray here unless it
    runs, or RAY_ADDRESS names a cluster."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if not ray.is_initialized():
        here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": max(workers, 2), "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="error", **here)
    task, left = ray.remote(max_retries=5)(function), iter(jobs)
    running = [task.remote(job) for job in islice(left, workers)]
    while running:
        done, running = ray.wait(running)
        yield ray.get(done[0])
        running += [task.remote(job) for job in islice(left, 1)]
