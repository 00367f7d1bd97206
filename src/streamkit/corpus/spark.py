"""On Spark: a DataFrame through `mapInArrow`, and the parts of a run as tasks.

    out = reassemble(spark.read.parquet("s3://logs/"), keep=("request_id",))      # lazy, as every DataFrame

Spark hands over 10,000 rows at once: bodies are large, so set `spark.sql.execution.arrow.maxRecordsPerBatch` to 500 or so. In
local mode a task that fails is not tried again unless the master says so: `local[2,4]`. `run` does that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from ..errors import MisuseError
from ._kernel import Columns, reassemble_batches
from ._schema import SCHEMA

__all__ = ("reassemble", "run")


def reassemble(frame: Any, *, keep: Any = (), **options: Any) -> Any:
    """Return the responses as a DataFrame. `options`: like those of `reassemble_batch`. Only the columns that are needed leave the JVM."""
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructField, StructType

    kept = Columns(None, None, None, None, keep, {}).keep
    if missing := [name for name in kept if name not in frame.columns]:
        raise MisuseError(f"keep={missing!r}: no column has this name: there are {', '.join(frame.columns)}")
    fields = [StructField(new, frame.schema[name].dataType) for name, new in kept.items()]
    read = [
        options.get(name, "body" if name == "body" else None) for name in ("body", "blocks", "arrival_ns", "encoding")
    ]
    columns = [name for name in frame.columns if name in {*kept, *read}]
    schema = StructType([*fields, *from_arrow_schema(SCHEMA)])
    return frame.select(*columns).mapInArrow(lambda batches: reassemble_batches(batches, keep=keep, **options), schema)


def run(function: Callable[[Any], Any], jobs: Iterable[Any], *, workers: int) -> Iterator[Any]:
    """Yield `function(job)` as each is done, `workers` at a time. A task whose worker dies is run again. Starts Spark here unless a
    session runs, or spark-submit names a master."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # which spark-submit sets
        builder = builder.master(f"local[{workers},4]")
    context = builder.getOrCreate().sparkContext
    with ThreadPoolExecutor(workers) as pool:  # a job each, so that each is reported when it is done
        running = [pool.submit(_one, context, function, job) for job in jobs]
        for done in as_completed(running):
            yield done.result()[0]


def _one(context: Any, function: Callable[[Any], Any], job: Any) -> Any:
    return context.parallelize([job], 1).map(function).collect()
