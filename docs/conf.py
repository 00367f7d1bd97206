"""How Sphinx builds the docs site: `make docs`, into build/site.

Why Sphinx with Furo and MyST, and not MkDocs with Material and mkdocstrings:

- Material for MkDocs prints that it reaches its end of life in May 2027, and MkDocs 1 has no release to follow it that
  keeps its plugins. A site begun now would have to move within months.
- The pages were written for GitHub and stay readable there. MyST reads CommonMark, like GitHub: a list needs no empty
  line before it, and `[faults](record-and-replay.md#faults)` is a link in both. Python-Markdown reads some of it otherwise.
- autodoc asks Python itself: signatures of attrs classes, inherited fields and aliases need no plugin. The string after a
  field is found in the source (Sphinx does that by itself). What it costs: integrations are imported, so that the group
  `docs` in pyproject.toml has their extras.
- Furo has light and dark colours, phone widths and a search without a network. Nothing is loaded from another host.

Warnings are errors (-W in the Makefile), among them every dead link and every dead anchor of a page. Links out of docs/
lead to the repository. `_site/` has what belongs to the site and is not a page.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_site")]

import streamkit  # noqa: E402

project = "streamkit"
author = "the streamkit authors"
project_copyright = "the streamkit authors, MIT licence"
version = release = streamkit.__version__
language = "en"
smartquotes = False  # which would make one dash of two

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "pages", "api"]
exclude_patterns = ["_site"]
default_role = "code"
nitpicky = False  # docstrings put names of arguments between backticks too

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4  # the anchors of GitHub
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # RULES, not the 85 rules
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# Written so in the code, and 34 classes long.
autodoc_type_aliases = {"ev.Event": "streamkit.events.Event", "Event": "streamkit.events.Event"}
autodoc_use_type_comments = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

pygments_style = "friendly"
pygments_dark_style = "native"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "streamkit"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_logo = "_site/static/mark.svg"
html_favicon = "_site/static/mark.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "font-stack": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
        "font-stack--monospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
        "color-brand-primary": "#0b6e63",
        "color-brand-content": "#0b6e63",
        "color-brand-visited": "#0b6e63",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fd0bf",
        "color-brand-content": "#5fd0bf",
        "color-brand-visited": "#5fd0bf",
    },
    "sidebar_hide_name": False,
    "top_of_page_buttons": [],
}
