"""What `streamkit.corpus` offers is said: its page has each column, and a bare install hears what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[2]


def test_the_page_has_each_column_as_it_is() -> None:
    made = subprocess.run([sys.executable, "-c", "import make_corpora as m; print(m.page(m.PAGE.read_text('utf-8')), end='')"],
                          cwd=ROOT / "docs", capture_output=True, check=True)  # fmt: skip
    assert (ROOT / "docs" / "corpora.md").read_bytes() == made.stdout, "python docs/make_corpora.py"


def test_without_pyarrow_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\ntry: import streamkit.corpus\nexcept ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'streamkit.corpus needs pyarrow: pip install "streamkit-llm[corpus]"\n' == done.stdout
