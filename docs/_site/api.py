"""A Sphinx extension: the directive `api`, and docstrings as this code base writes them.

    ```{api} streamkit.events
    ```

documents every public name of that module, from its `__all__`. With names in its body, one a line, only those. A name that
`streamkit` has too is documented as `streamkit.X`, which is what users write, on the page of its module; nothing is
documented twice. tests/test_site.py reads the same directives and holds that no public name is missing.

Docstrings are prose in Markdown with code between backticks, and an example is an indented block. `as_rst` makes
of them what Sphinx reads. The "Attributes:" section that `streamkit._field_docs` adds to a class is left out there: each
attribute has its own entry, with the sentence of that section where the source has none after the field.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Collection, Iterator
from functools import cache
from types import ModuleType
from typing import Any

import attrs
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import streamkit

SECTION = re.compile(r"\n*^Attributes:\n(?:    .*\n?)*", re.MULTILINE)
ARGUMENT = re.compile(r"(?:^|(?<=[.;])\s+)(?=`\w+`(?:, `\w+`)*: )")  # `limits`, `rules`: like those of …
ITEM = re.compile(r"(`\w+`(?:, `\w+`)*): (.+)")
ALIAS = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")  # what Sphinx leaves of an alias inside another type
CODE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")

log = logging.getLogger(__name__)


class Api(SphinxDirective):
    """```{api} MODULE```, with names or without."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the entries of the names."""
        module = importlib.import_module(self.arguments[0])
        listed = [line.strip() for line in self.content if line.strip()]
        lines: list[str] = []
        for name in listed or module.__all__:
            lines += entry(module, name)
        if self.config.source_suffix and self.get_source_info()[0].endswith(".md"):
            lines = ["```{eval-rst}", *lines, "```"]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=False)


def entry(module: ModuleType, name: str) -> list[str]:
    """Return the directive of autodoc for one public name."""
    value = getattr(module, name)
    path = path_of(module, name)
    if isinstance(value, ModuleType):
        return []
    if inspect.isclass(value):
        # What it inherits from us belongs to it; what it inherits from str, Exception or an SDK is documented there.
        foreign = [one for one in value.__mro__ if not one.__module__.startswith("streamkit")]
        options = [
            ":members:",
            ":undoc-members:",
            f":inherited-members: {', '.join(sorted(one.__name__ for one in foreign))}",
        ]
        if issubclass(value, streamkit.StreamError) and value is not streamkit.StreamError:
            options[-1] += ", StreamError"  # the same of each of them, and documented there
            options.append(":show-inheritance:")
        options.append(f":exclude-members: {', '.join(sorted(attributes_told(value)))}")
        if any(one.__module__.split(".")[0] not in sys.stdlib_module_names for one in foreign):
            options = [
                f":members: {', '.join(written_in(value))}",
                ":undoc-members:",
            ]  # pydantic copies what a class inherits into it
        return [f".. autoclass:: {path}", *(f"   {option}" for option in options), ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. autodata:: {module.__name__}.{name}", "   :no-value:", ""]


def written_in(cls: type[Any]) -> list[str]:
    """Return the public names that the source of a class itself has."""
    (tree,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(tree, ast.ClassDef)
    names = [getattr(one, "name", None) or getattr(getattr(one, "target", None), "id", None) for one in tree.body]
    return [name for name in names if name and not name.startswith("_")]


def as_rst(lines: list[str], attributes: Collection[str] = ()) -> list[str]:
    """Return a docstring in reStructuredText; of a class with those attributes as entries."""
    paragraphs = SECTION.sub("\n", "\n".join(lines)).split("\n\n")
    text = "\n\n".join(_as_list(one.strip("\n"), attributes) for one in paragraphs)
    return list(_with_examples(CODE.sub(_code, text.replace("\\", "\\\\")).split("\n")))


def _as_list(paragraph: str, attributes: Collection[str] = ()) -> str:
    """Return a paragraph that says what each argument is as a list, and what an attribute is as an entry; any other as it is."""
    if paragraph.startswith(" ") or ARGUMENT.search(paragraph) is None:
        return paragraph
    parts: list[str] = []
    for item in filter(None, map(str.strip, ARGUMENT.split(paragraph))):
        said = ITEM.fullmatch(" ".join(item.split()))
        names = re.findall(r"\w+", said[1]) if said else []
        if said is None:
            parts += ["", re.sub(";$", ".", item), ""]
        elif attributes and {*names} <= {*attributes}:
            sentence = said[2][0].upper() + said[2][1:].rstrip(";.") + "."
            parts += ["", ".. attribute:: " + "\n               ".join(names), "", f"   {sentence}", ""]
        else:
            parts.append(f"* {said[0]}")
    return "\n".join(parts).strip("\n")


def made_by(cls: type[Any]) -> set[str]:
    """Return the public attributes that the source of a class makes: by annotation, or by assignment to one of `self`."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # made at run time
        source = ""
    assigned = re.findall(r"\bself\.([a-z]\w*)(?:: [^=\n]+)? = ", source)
    return {name for name in (*assigned, *vars(cls).get("__annotations__", {})) if not name.startswith("_")}


@cache
def attributes_told(cls: type[Any]) -> frozenset[str]:
    """Return the attributes that the docstring of a class describes and its source does not, where it makes them."""
    if attrs.has(cls):
        return frozenset()
    made = made_by(cls)
    made -= {
        name for owner, name in ModuleAnalyzer.for_module(cls.__module__).find_attr_docs() if owner == cls.__qualname__
    }
    made -= {name for name, value in vars(cls).items() if isinstance(value, property) or inspect.isroutine(value)}
    own = SECTION.sub("\n", inspect.cleandoc(vars(cls).get("__doc__") or ""))
    items = [ITEM.fullmatch(" ".join(item.split())) for one in own.split("\n\n") for item in ARGUMENT.split(one)]
    found = [re.findall(r"\w+", item[1]) for item in items if item]
    return frozenset(name for names in found if {*names} <= made for name in names)


def _code(found: re.Match[str]) -> str:
    """Return code as code, and a public name of ours as a link to it."""
    inside = found[1].replace("\\\\", "\\").replace("\n", " ")
    path = public().get(inside.removesuffix("()").removeprefix("streamkit."))
    return f":py:obj:`{inside} <{path}>`" if path else f"``{inside}``"


@cache
def public() -> dict[str, str]:
    """Return where each public class and function is documented, by its name and by its module and name."""
    found: dict[str, str] = {}
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isroutine(value):
                path = path_of(module, name)
                found[f"{module.__name__}.{name}".removeprefix("streamkit.")] = path
                if not name.islower():  # `chunk` and `event` are words more often than functions
                    found.setdefault(name, path)
    return found


def public_modules() -> Iterator[ModuleType]:
    """Yield `streamkit` and every module below it without an underscore in its path."""
    yield streamkit
    for one in pkgutil.walk_packages(streamkit.__path__, "streamkit."):
        if not re.search(r"\._", one.name):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                yield importlib.import_module(one.name)


def path_of(module: ModuleType, name: str) -> str:
    """Return what a public name is documented as: what users write."""
    same = getattr(streamkit, name, None) is getattr(module, name)
    return f"streamkit.{name}" if same else f"{module.__name__}.{name}"


def _with_examples(lines: list[str]) -> Iterator[str]:
    """Yield the lines, an indented block after an empty line as an example in Python."""
    inside = False
    for number, line in enumerate(lines):
        if line.strip():
            indented = line.startswith("    ")
            if indented and not inside and number and not lines[number - 1].strip():
                yield from (".. code-block:: python", "   :force:", "")
            inside = indented and (inside or not lines[number - 1].strip())
            if inside:
                yield re.sub(r"``(.*?)``", r"`\1`", line)
                continue
        yield line


def process(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Change the docstring that autodoc found."""
    if what == "attribute" and not any(lines):
        lines[:] = [sentence_of(name), ""]
        if not lines[0]:
            log.warning("%s has no docstring: write one after the field", name)
    if what == "data" and "\n".join(lines).strip() == inspect.cleandoc(type(value).__doc__ or "").strip():
        lines[:] = [of_data(value)]  # instead of what a dict is
        if not lines[0]:
            log.warning("%s has no docstring: write a string after it in the source", name)
    told = attributes_told(value) if what in ("class", "exception") and inspect.isclass(value) else ()
    lines[:] = as_rst(lines, told)


def sentence_of(path: str) -> str:
    """Return what the section "Attributes:" of its class says of an attribute, or nothing."""
    owner, _, field = path.rpartition(".")
    module, _, cls = owner.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError, ValueError):
        return ""
    _, _, section = (found.__doc__ or "").partition("\n\nAttributes:\n")
    told = re.search(rf"^    {re.escape(field)}: (.*(?:\n {{8}}.*)*)", section, re.MULTILINE)
    return " ".join(told[1].split()) if told else _of_function(found, field)


def _of_function(cls: type[Any], name: str) -> str:
    """Return the docstring of a cached property, which attrs has made a slot of."""
    (tree,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(tree, ast.ClassDef)
    functions = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
    return (ast.get_docstring(functions[0]) or "") if functions else ""


def of_data(value: Any) -> str:
    """Return the string after a constant, in the module that has it: a package passes on what a file of it says."""
    for home, module in sorted(sys.modules.items()):
        if home.startswith("streamkit"):
            for (owner, name), lines in ModuleAnalyzer.for_module(home).find_attr_docs().items():
                if owner == "" and getattr(module, name, None) is value and not isinstance(value, int):
                    return "\n".join(lines).strip()
    return ""


def readable(
    app: Sphinx, what: str, name: str, value: Any, options: Any, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Write the defaults of an attrs class, whose generated constructor looks them up in a dict, and names of aliases."""
    returned = ALIAS.sub(r"\1", returned or "") or None
    arguments = ALIAS.sub(r"\1", arguments or "") or None
    if arguments is None or not (inspect.isclass(value) and attrs.has(value)):
        return arguments, returned
    fields = attrs.fields_dict(value)

    def default(found: re.Match[str]) -> str:
        made = fields[found[1]].default
        return "..." if isinstance(made, attrs.Factory) else repr(made)  # type: ignore[arg-type]

    arguments = re.sub(r"attr_dict\['(\w+)'\]\.default", default, arguments)
    return re.sub(r"= ?NOTHING\b", "= ...", arguments), returned


def skip(app: Sphinx, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what is not promised; `kept_…` are the raw slots of `types/_logprobs.py`."""
    return True if name.startswith(("_", "kept_")) else None


def check_complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that have no entry, and of attributes without an entry or a sentence."""
    entries = env.domains.python_domain.objects
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, ModuleType):
                continue
            plain = not (inspect.isclass(value) or inspect.isroutine(value))
            path = f"{module.__name__}.{name}" if plain else path_of(module, name)
            if path not in entries and f"streamkit.{name}" not in entries and not (plain and name in streamkit.__all__):
                log.warning("%s is public and has no entry: name it in a page of docs/reference/", path)
            if inspect.isclass(value) and value.__module__.startswith("streamkit"):
                names = {field.name for field in attrs.fields(value)} if attrs.has(value) else set()
                for one in sorted(names | made_by(value)):
                    if not one.startswith(("_", "kept_")) and f"{path}.{one}" not in entries:
                        log.warning("%s.%s has no entry: write a string after it in the source", path, one)


def unlink_builtins(app: Sphinx, doctree: nodes.document) -> None:
    """Remove links of types like `bytes` in signatures: Sphinx would lead them to a field of that name."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node.get("refdomain") == "py" and hasattr(builtins, node["reftarget"]):
            node.replace_self(nodes.Text(node["reftarget"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and what changes docstrings."""
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-read", unlink_builtins)
    app.connect("env-check-consistency", check_complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
