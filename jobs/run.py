"""The whole run as a job: `ray job submit --working-dir . -- python jobs/run.py --config configs/starter.yaml`.

The same command line as `rayscaler run`, for places where only the working directory travels: the package is taken from
the folder above, so nothing has to be installed but the dependencies.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rayscaler import pipeline
from rayscaler.config import Config, load_config
from rayscaler.errors import ConfigError, RayscalerError
from rayscaler.resources import Resources

log = logging.getLogger("rayscaler.job")


def default_run(name: str) -> Path:
    """`runs/<name>` here; in the home folder where «here» is the copy that Ray unpacked for a job and will delete."""
    here = Path.cwd()
    return (Path.home() / "rayscaler" if "working_dir_files" in here.parts else here) / "runs" / name


def with_resources(config: Config, changes: Sequence[str]) -> Config:
    """The configuration with some of its resources replaced: they belong to the place, not to the rows.

    Raises ConfigError for a change that is no known KEY=VALUE.
    """
    given = dict(change.partition("=")[::2] for change in changes)
    try:
        resources = Resources.model_validate({**config.resources.model_dump(), **given})
    except ValidationError as error:
        raise ConfigError(f"--resources {' '.join(changes)}: {error}") from error
    return config.model_copy(update={"resources": resources})


def main() -> int:
    """Run to the end or to `--until`; one log line per stage. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", required=True, help="configuration file")
    parser.add_argument("--run", help="folder or URI of the run; a cluster needs one that every node sees")
    parser.add_argument("--until", help="last stage to run")
    parser.add_argument(
        "--resources", nargs="*", default=[], metavar="KEY=VALUE", help="over the configuration's own: grow_to_cpus=256"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        config = with_resources(load_config(arguments.config), arguments.resources)
        run = arguments.run or str(default_run(config.name))
        log.info("the run is in %s; look at it with: rayscaler show %s", run, run)
        results = pipeline.run(config, run, until=arguments.until)
    except RayscalerError as error:
        log.error("%s", error)
        return 1
    for result in results:
        rows = ", ".join(f"{count} {table}" for table, count in result.rows.items())
        log.info("%s: %s%s", result.name, rows, " (was whole)" if result.skipped else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
