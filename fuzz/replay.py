"""Judge inputs again, without atheris: what fuzzing found, a corpus, or the seeds.

    python fuzz/replay.py FILE ...                  files that fuzzing wrote, `<target>-<anything>`
    python fuzz/replay.py TARGET FILE ...           any files or folders of them, as inputs of one target
    python fuzz/replay.py TARGET "b'...'"           an input as it was printed
    python fuzz/replay.py TARGET                    its seeds

Prints what is wrong with each; exit code 1 where anything is.
"""

from __future__ import annotations

import ast
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import targets


def inputs(arguments: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield target, name and bytes of each input."""
    target = ""
    if arguments and arguments[0] in targets.TARGETS:
        target, *arguments = arguments
        if not arguments:
            yield from ((target, f"seed {at}", one) for at, one in enumerate(targets.TARGETS[target].seeds()))
    for one in arguments:
        if one.startswith(("b'", 'b"')):
            yield target, "the literal", ast.literal_eval(one)
            continue
        path = Path(one)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            name = target or file.name.partition("-")[0]
            yield name, str(file), file.read_bytes()


def main() -> int:
    """Replay what the command line names."""
    judged = wrong = 0
    for target, name, data in inputs(sys.argv[1:]):
        if target not in targets.TARGETS:
            print(f"{name}: no target {target!r}; there are {', '.join(targets.TARGETS)}", file=sys.stderr)
            return 2
        judged += 1
        try:
            targets.run(target, data)
        except Exception as error:
            wrong += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"{target}, {name}: {type(error).__name__} at {where.filename}:{where.lineno}: {error}\n  {data!r}")
    if not judged:
        print(__doc__, file=sys.stderr)
        return 2
    print(f"{judged} inputs, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
