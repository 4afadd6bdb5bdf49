"""The files of the page are whole, and nothing in them reaches beyond the process that serves them."""

from __future__ import annotations

import re
from pathlib import Path

from gitsync.api.static import FOLDER, page


def test_every_file_that_a_file_names_is_there_and_served() -> None:
    named = {"index.html"}
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"/dashboard/([a-z]+\.[a-z]+)", text)) | set(
            re.findall(r'from "\./([a-z]+\.js)"', text)
        )
    assert named == {path.name for path in FOLDER.iterdir()}
    for name in named:
        assert page(name).status_code == 200


def test_every_element_that_a_script_asks_for_is_in_the_page() -> None:
    ids = set(re.findall(r'\sid="([a-z-]+)"', (FOLDER / "index.html").read_text(encoding="utf-8")))
    for path in FOLDER.glob("*.js"):
        for ident in re.findall(r'\bat\("([a-z-]+)"\)', path.read_text(encoding="utf-8")):
            assert ident in ids, f"{path.name} asks for {ident}"


def test_scripts_write_text_and_ask_nobody_else() -> None:
    """One place puts text into the page; what makes markup of it is not used at all."""
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\b"
    forbidden += r"|new Function|\.srcdoc|importScripts|WebSocket|sendBeacon|setAttribute\(.on"
    for path in FOLDER.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(forbidden, text), path.name
        assert path.name == "dom.js" or "textContent =" not in text, path.name
    for path in FOLDER.iterdir():
        places = set(re.findall(r"https?://[^\"'\s)]+", path.read_text(encoding="utf-8")))
        assert places <= {"http://www.w3.org/2000/svg"}, path.name


def test_the_pictures_of_the_document_exist() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    for image in re.findall(r"\]\((images/[a-z-]+\.png)\)", (docs / "dashboard.md").read_text(encoding="utf-8")):
        assert (docs / image).stat().st_size < 300_000
