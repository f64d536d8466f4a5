"""An error lists all that is wrong, prints what can be read, and says what to do."""

import ast
import copy
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import carlib
from carlib.errors import SHOWN, CarlibError, DataError, OptionError


def test_an_error_is_its_message_its_problems_and_its_hint_in_that_order():
    assert str(CarlibError("Wrong.")) == "Wrong."
    error = CarlibError("Wrong:", ["a", "b"], hint="Do this.")
    assert str(error) == "Wrong:\n  - a\n  - b\nDo this."


@pytest.mark.parametrize("more", [0, 1, 1234])
def test_the_first_problems_are_printed_and_all_are_kept(more):
    problems = [f"row {number}" for number in range(SHOWN + more)]
    error = CarlibError("Wrong:", iter(problems), hint="Do this.")
    assert error.problems == problems
    last = [f"  … and {more:,} more"] if more else [f"  - row {SHOWN - 1}"]
    assert str(error).splitlines()[-2:] == [*last, "Do this."]
    assert len(str(error).splitlines()) == 1 + SHOWN + bool(more) + 1


def test_an_error_comes_whole_from_another_process():
    error = copy.copy(DataError("Wrong:", ["a"], "Do this."))  # as pickle does
    assert (type(error), str(error)) == (DataError, "Wrong:\n  - a\nDo this.")


def test_every_public_error_is_caught_as_carlibs():
    names = [name for name in carlib.__all__ if name.endswith("Error")]
    assert len(names) >= 8
    assert all(issubclass(getattr(carlib, name), CarlibError) for name in names)
    assert issubclass(OptionError, ValueError)


PACKAGE = Path(carlib.__file__).parent


def messages() -> list[tuple[str, str]]:
    """Every sentence that carlib raises, warns or says, and where it stands."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                given = [*node.args[:1], *(k.value for k in node.keywords)]
                if name.endswith("Error") or name in ("warn", "say"):
                    where = f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
                    found += [(where, t) for part in given if (t := text_of(part))]
    return found


def text_of(node: ast.expr) -> str:
    """The text of a constant or an f-string, what is filled in left out."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [p.value if isinstance(p, ast.Constant) else "…" for p in parts]
    return "".join(text for text in texts if isinstance(text, str)).strip("… ")


def test_all_messages_speak_one_dialect():
    """What was expected, then what came, by the same two words everywhere."""
    found = messages()
    assert len(found) > 150
    for where, text in found:
        if "xpected " in text:
            assert "Received:" in text, f"{where}: {text}"
        assert " got " not in text and "eceived " not in text, f"{where}: {text}"
        assert not text.endswith("!"), f"{where}: {text}"


def test_a_notebook_shows_its_own_line_and_what_is_wrong_without_carlibs():
    """carlib's lines help nobody who learns; CARLIB_DEBUG=1 shows them."""
    cells = [
        new_code_cell("import carlib\n\ncarlib.locate_data('nowhere')"),
        new_code_cell("%env CARLIB_DEBUG=1\ncarlib.locate_data('nowhere')"),
    ]
    client = NotebookClient(new_notebook(cells=cells), allow_errors=True)
    made = client.execute()
    short, long = ("\n".join(c.outputs[-1].traceback) for c in made.cells)
    assert short.startswith("In line 3 of the cell: carlib.locate_data('nowhere')")
    assert "DataError: there is no folder or zip nowhere" in short
    assert "locate.py" not in short and "locate.py" in long
