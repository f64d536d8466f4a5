"""The site: what is shown, what is refused, and that every link leads somewhere."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from carlib.data.spreadsheet import write_csv
from scripts import site
from scripts.site_links import copy_what_is_linked, missing
from scripts.site_pages import (
    OPTIONAL,
    Page,
    markdown,
    notebook_page,
    place_of,
    text_page,
)
from tests.browser import Opened

ROOT = Path(__file__).resolve().parent.parent
SCREENS = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark, a phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
    },
}


def notebook(*lines: str) -> nbformat.NotebookNode:
    """A notebook that ran: a heading, and a cell that printed these lines."""
    text = "".join(f"{line}\n" for line in lines)
    printed = nbformat.v4.new_output("stream", name="stdout", text=text)
    code = nbformat.v4.new_code_cell("1 < 2", outputs=[printed], execution_count=1)
    links = "# 02 · Load\n\nGo on: [03](03_define_pipeline.ipynb)"
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(links), code])


@pytest.fixture
def workspace(photos, tmp_path) -> Path:
    """A workspace in which each notebook ran on the sample."""
    (tmp_path / "executed").mkdir()
    write_csv(photos, tmp_path / "photos.csv")
    for path in (*(ROOT / "notebooks").glob("[0-9]*.ipynb"), *OPTIONAL):
        made = notebook("Data: ../data/sample (the drawn sample instead)")
        nbformat.write(made, tmp_path / "executed" / path.name)
    return tmp_path


def refusal(workspace: Path) -> str:
    with pytest.raises(site.SiteError) as caught:
        site.check_only_the_sample(workspace, site.notebooks_in(workspace))
    return str(caught.value)


def test_a_workspace_of_the_sample_is_taken(workspace):
    site.check_only_the_sample(workspace, site.notebooks_in(workspace))


def test_photos_that_are_not_the_samples_are_refused_whatever_they_are_called(
    workspace, photos
):
    other = workspace / "data" / "sample" / "image" / "001.jpeg"
    other.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(other)
    changed = photos.assign(image_path=[str(other), *photos.image_path[1:]])
    write_csv(changed, workspace / "photos.csv")
    assert f"photos of {workspace} that are others: 1" in refusal(workspace)


def test_a_notebook_that_ran_on_others_is_refused_though_the_list_is_new(workspace):
    file = workspace / "executed" / "02_load_data.ipynb"
    nbformat.write(notebook("Data: my/photos.zip"), file)
    assert "02_load_data ran on others" in refusal(workspace)


def test_a_notebook_that_ran_before_the_list_was_made_is_refused(workspace):
    """05 may show photos of the list before; it prints no line on its data."""
    file = workspace / "executed" / "05_evaluate.ipynb"
    nbformat.write(notebook("a photo"), file)
    site.check_only_the_sample(workspace, site.notebooks_in(workspace))
    made = (workspace / "photos.csv").stat().st_mtime
    os.utime(file, (made - 60, made - 60))
    assert "05_evaluate ran before this photos.csv was made" in refusal(workspace)


def test_a_list_that_is_missing_is_no_proof(workspace):
    (workspace / "photos.csv").unlink()
    assert "can't be looked at" in refusal(workspace)
    (workspace / "photos.csv").write_text("image\nx.jpeg\n", "utf-8")
    assert "can't be looked at: 'image_path'" in refusal(workspace)


def test_a_folder_that_no_site_was_in_is_never_replaced(tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter 1.txt").write_text("years", "utf-8")
    (tmp_path / "file").touch()
    for name in ("thesis", "file"):
        assert site.main(["--folder", str(tmp_path / name)]) == 1
        assert f"{name} would be replaced" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter 1.txt").exists()


def test_notebooks_that_did_not_run_are_named(workspace):
    (workspace / "executed" / "05_evaluate.ipynb").unlink()
    with pytest.raises(site.SiteError, match="Not run in .*: 05_evaluate"):
        site.notebooks_in(workspace)


def test_a_page_has_its_files_place_and_the_readme_is_the_first():
    assert place_of("docs/serving.md") == "docs/serving.html"
    assert place_of("notebooks/05_evaluate.ipynb") == "notebooks/05_evaluate.html"
    assert place_of("README.md") == "index.html"


def test_headings_have_the_ids_that_github_gives_them():
    html = markdown("## Exports, and `carlib`'s servers\n\n<script>alert(1)</script>\n")
    assert 'id="exports-and-carlibs-servers"' in html
    assert "<script>" not in html


def test_links_to_texts_and_notebooks_lead_to_their_pages(tmp_path):
    (tmp_path / "docs").mkdir()
    text = "# Words\n\n[a](../notebooks/01_install.ipynb) [b](../README.md#x) "
    text += "[c](serving.md) [d](https://example.org/README.md) [e](../LICENSE)\n"
    (tmp_path / "docs" / "glossary.md").write_text(text, "utf-8")
    page = text_page(tmp_path, tmp_path / "docs" / "glossary.md")
    links = ("../notebooks/01_install.html", "../index.html#x", "serving.html")
    for link in (*links, "https://example.org/README.md", "../LICENSE"):
        assert f'href="{link}"' in page.html
    assert page.place == "docs/glossary.html" and "<title>Words" in page.html
    assert page.html.count('aria-current="page"') == 1


def test_a_notebook_is_shown_with_its_answers(workspace):
    page = notebook_page(workspace / "executed" / "02_load_data.ipynb")
    assert page.place == "notebooks/02_load_data.html"
    assert "<title>02 · Load · carlib" in page.html
    assert "the drawn sample instead" in page.html
    assert 'href="03_define_pipeline.html"' in page.html


def test_a_page_does_not_tell_whose_machine_it_was_made_on(workspace):
    file = workspace / "executed" / "01_install.ipynb"
    nbformat.write(notebook(f"File {ROOT / 'carlib' / 'errors.py'}:9"), file)
    html = notebook_page(file).html
    assert str(ROOT) not in html and "errors.py:9" in html


def test_a_link_that_leads_nowhere_fails_the_site_and_leaves_the_old_one(tmp_path):
    folder = tmp_path / "site"
    site.write(folder, [Page("index.html", '<a href="#a">x</a><p id="a">')])
    broken = '<a href="no.html">x</a> <a href="index.html#b">y</a> <img src="z.png">'
    pages = [Page("index.html", '<p id="a">'), Page("more.html", broken)]
    with pytest.raises(site.SiteError) as caught:
        site.write(folder, pages)
    for link in ("more.html: no.html", "more.html: index.html#b", "more.html: z.png"):
        assert link in str(caught.value)
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "style.css"]


def test_what_is_linked_is_copied_and_nothing_from_outside(tmp_path):
    root, made = tmp_path / "repository", tmp_path / "made" / "site"
    for path in (root / "docs" / "a.svg", tmp_path / "made" / "secret.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", "utf-8")
    made.mkdir()
    html = '<img src="docs/a.svg"><a href="../secret.txt">'
    (made / "index.html").write_text(html, "utf-8")
    copy_what_is_linked(root, made)
    assert (made / "docs" / "a.svg").read_text("utf-8") == "x"
    assert missing(made) == ["index.html: ../secret.txt"]


@pytest.mark.slow
def test_the_whole_opens_from_disk_asks_nobody_and_axe_finds_nothing(
    browser, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("site")
    workspace = site.run_the_notebooks(folder / "workspace")
    site.make(folder / "site", workspace)
    shutil.rmtree(workspace)
    pages = sorted((folder / "site").rglob("*.html"))
    assert len(pages) >= 20
    for name, screen in SCREENS.items():
        for page in pages:
            opened = Opened(browser, page, **screen)
            there = f"{page.relative_to(folder)}, {name}"
            asked = [each for each in opened.asked if not each.startswith("file:")]
            assert asked == [] and opened.errors == [], there
            wider = "document.documentElement.scrollWidth - innerWidth"
            assert opened.page.evaluate(wider) <= 0, there
            assert opened.violations() == [], there
            opened.context.close()
