"""Public names are listed, exist and are documented; every test file is next to its module."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from helpers.imports import modules_of

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "streamkit"

# The public face (design: "The public face"), each name with the module it comes from; those modules that are not
# there yet are left out.
FACE = {
    "Accumulator": "accumulator",
    "AsyncBroadcast": "_live.broadcast_async",
    "AsyncChatStream": "_live.stream_async",
    "AsyncRecording": "_recording.record",
    "AsyncRecordingTransport": "_recording.transports",
    "AsyncReplayTransport": "_recording.replay_transport",
    "AsyncSubscription": "_live.broadcast_async",
    "AsyncTee": "_live.tee",
    "AsyncWritten": "_clean.written",
    "Broadcast": "_live.broadcast",
    "ChatStream": "_live.stream",
    "Clean": "_clean.clean",
    "Cleaner": "_clean.cleaner",
    "Deadlines": "_live.deadlines",
    "Dialect": "dialect",
    "Ended": "ended",
    "FAULTS": "_recording.faults",
    "Fault": "_recording.faults",
    "Pace": "_recording.schedule",
    "PartialJSON": "partial_json",
    "Recording": "_recording.record",
    "RecordingProxy": "_recording.proxy",
    "RecordingTransport": "_recording.transports",
    "RecordingWarning": "_recording.recorder",
    "Replay": "_recording.replay",
    "ReplayTransport": "_recording.replay_transport",
    "Report": "_check.report",
    "ResumePoint": "_live.resuming",
    "Session": "_recording.session",
    "SessionRun": "_recording.run",
    "Snapshot": "_live.broadcast",
    "Subscription": "_live.broadcast",
    "Tee": "_live.tee",
    "Timing": "_live.timing",
    "TraceChangedError": "_recording.misses",
    "TraceMissError": "_recording.misses",
    "TraceServer": "_recording.server",
    "Written": "_clean.written",
    "__version__": "_version",
    "async_record": "_recording.record",
    "async_tee": "_live.tee",
    "async_to_chunks": "_clean.to_events_async",
    "async_to_events": "_clean.to_events_async",
    "check_stream": "_check.report",
    "dumps": "codec",
    "loads": "codec",
    "pace": "_recording.schedule",
    "reassemble": "_live.reassemble",
    "record": "_recording.record",
    "recording": "_recording.hook",
    "replay": "_recording.replay",
    "resume_point": "_live.resuming",
    "sse": "sse",
    "structure": "codec",
    "tee": "_live.tee",
    "timing_of": "_live.timing",
    "to_chunks": "_clean.to_events",
    "to_events": "_clean.to_events",
    "unstructure": "codec",
}
# Modules whose every public name may stand in the face too, since what FACE gives speaks in them; and plain names.
MAY_JOIN = ("accumulator", "anomalies", "errors", "events", "limits", "outcome", "rules", "trace", "types")
MAY_JOIN_NAMES = {*MAY_JOIN}

# Test files about more than one module, or about something that is not a module. Each of these names may have several
# files, like a module: test_wire.py, test_wire_text.py.
TESTS_OF_NO_MODULE = {
    "test_cancellation",
    "test_closing",
    "test_corpus",
    "test_docs",
    "test_examples",
    "test_exports",
    "test_flow",
    "test_frameworks",
    "test_fuzz",
    "test_fuzz_targets",
    "test_grammar",
    "test_hostile",
    "test_invariance",
    "test_layers",
    "test_linear",
    "test_many",
    "test_matrix",
    "test_odd_values",
    "test_oracle",
    "test_package",
    "test_readme",
    "test_reprs",
    "test_scenarios",
    "test_senders",
    "test_shapes",
    "test_site",
    "test_threads",
    "test_untouched",
    "test_what_raises",
    "test_wire",
}

FOR_TESTS = re.compile(r"^_(?!_version__$)|(^|_)(test|mock|dummy)(s|ing|_|$)", re.IGNORECASE)
MAY_EXPORT_TEST_TOOLS = {"testing", "pytest_plugin"}


MODULES = list(modules_of(SRC))
PUBLIC = [module for module in MODULES if not any(part.startswith("_") for part in module.split("."))]


def path_of(module: str) -> Path:
    path = SRC.joinpath(*module.split(".")) if module else SRC
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def load(module: str) -> ModuleType:
    """The module itself; an integration whose framework is not installed is skipped, anything else must import."""
    name = f"streamkit.{module}" if module else "streamkit"
    if module.startswith(("integrations.", "pytest_plugin", "gateway", "corpus")):
        return pytest.importorskip(name, exc_type=ImportError)
    return importlib.import_module(name)


def statement_of_all(module: str) -> ast.expr | None:
    """The value of `__all__` where it is assigned before anything but the docstring and imports, else None."""
    body = ast.parse(path_of(module).read_text("utf-8")).body
    if ast.get_docstring(ast.Module(body, [])) is not None:
        body = body[1:]
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return value
            case ast.Import() | ast.ImportFrom():
                continue
            # Imports for type checkers, and imports that may fail.
            case ast.If(body=inner) | ast.Try(body=inner) if all(
                isinstance(node, (ast.Import, ast.ImportFrom)) for node in inner
            ):
                continue
            case _:
                return None
    return None


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_module_says_its_names_at_the_top_in_a_tuple(module: str) -> None:
    value = statement_of_all(module)
    assert isinstance(value, ast.Tuple), "__all__ stands right after the imports and is a tuple"
    names = ast.literal_eval(value)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", PUBLIC)
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(ast.parse(path_of(module).read_text("utf-8")))


@pytest.mark.parametrize("module", PUBLIC)
def test_every_name_exists_and_is_explained(module: str) -> None:
    loaded = load(module)
    missing = [name for name in loaded.__all__ if not hasattr(loaded, name)]
    assert [] == missing
    unexplained = [
        name
        for name in loaded.__all__
        if (inspect.isclass(value := getattr(loaded, name)) or inspect.isroutine(value)) and not own_docstring(value)
    ]
    assert [] == unexplained


def own_docstring(value: object) -> str | None:
    """The docstring written for `value` itself, not one that it inherits."""
    return value.__dict__.get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)


def test_the_methods_of_what_the_face_gives_are_explained() -> None:
    face = load("")
    unexplained = [
        f"{name}.{member}"
        for name in face.__all__
        if inspect.isclass(cls := getattr(face, name))
        for member, value in vars(cls).items()
        if not member.startswith("_") and inspect.isroutine(unwrapped(value)) and not inspect.getdoc(unwrapped(value))
    ]
    assert [] == unexplained


def unwrapped(value: object) -> object:
    if isinstance(value, property):
        return value.fget
    return value.__func__ if isinstance(value, (classmethod, staticmethod)) else value


@pytest.mark.parametrize("module", [module for module in PUBLIC if module not in MAY_EXPORT_TEST_TOOLS])
def test_nothing_is_exported_for_tests_alone(module: str) -> None:
    value = statement_of_all(module)
    assert value is not None
    assert [] == [name for name in ast.literal_eval(value) if FOR_TESTS.search(name)]


def test_every_integration_is_in_the_list_of_their_package() -> None:
    package = ROOT / "src" / "streamkit" / "integrations"
    modules = {path.stem for path in package.iterdir() if not path.name.startswith("_")}
    listed = re.findall(r"^`(\w+)` ", (package / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(modules) == sorted(listed)


def test_the_face_is_the_one_that_was_designed() -> None:
    face = set(load("").__all__)
    built = {name for name, home in FACE.items() if home in MODULES}
    assert set() == built - face, "designed and built, but not to be had from `streamkit`"
    may_join = {name for module in MAY_JOIN if module in MODULES for name in load(module).__all__}
    assert set() == face - built - may_join - MAY_JOIN_NAMES, "in `streamkit`, but not designed: add it to FACE"


def test_a_name_of_the_face_is_the_same_thing_in_its_module() -> None:
    face = load("")
    for name, home in FACE.items():
        if home in MODULES and name != home:
            assert getattr(face, name) is getattr(load(home), name)


def test_a_traceback_names_where_an_exception_of_the_face_is_imported_from() -> None:
    face = importlib.import_module("streamkit")
    classes = [one for name in face.__all__ if isinstance(one := getattr(face, name), type)]
    for one in (one for one in classes if issubclass(one, BaseException)):
        assert not any(part.startswith("_") for part in one.__module__.split("."))
        assert one is pickle.loads(pickle.dumps(one))


def test_every_test_file_is_where_its_module_is() -> None:
    tests = ROOT / "tests"
    files = [path.relative_to(tests).as_posix() for path in sorted(tests.rglob("test_*.py"))]
    assert [] == strays(files), "name it after the module it tests, or add it to TESTS_OF_NO_MODULE"


def test_a_module_may_have_several_test_files_which_begin_with_its_name() -> None:
    good = ["_live/test_stream.py", "_live/test_stream_endings.py", "test_sse_limits.py", "test_wire_text.py"]
    assert [] == strays(good)
    bad = [
        "test_stream_endings.py",
        "_fold/test_stream.py",
        "_live/test_streams.py",
        "_live/test_endings.py",
        "test_.py",
    ]
    assert bad == strays([*good, *bad])


def strays(files: Iterable[str]) -> list[str]:
    """Those of `files` (below tests/) that belong to no module and no name in TESTS_OF_NO_MODULE."""
    places = {place_of_test(module) for module in MODULES} | TESTS_OF_NO_MODULE
    return [file for file in files if not places.intersection(shorter_names(file.removesuffix(".py")))]


def shorter_names(place: str) -> Iterator[str]:
    """`_live/test_stream_async_endings` -> itself, `_live/test_stream_async`, `_live/test_stream`, `_live/test`."""
    folder, slash, name = place.rpartition("/")
    while name:
        yield f"{folder}{slash}{name}"
        name = name.rpartition("_")[0]


def place_of_test(module: str) -> str:
    """`_fold.tool_calls` -> `_fold/test_tool_calls`; a package -> `sources/test_sources`; files drop underscores."""
    *folders, name = module.split(".")
    if path_of(module).name == "__init__.py":
        folders = module.split(".")
    return "/".join([*folders, f"test_{name.strip('_')}"])
