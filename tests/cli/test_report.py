"""The command `carlib report`."""

import json
from pathlib import Path

from tests.cli.typed import failure, run


def test_report_writes_a_page_and_says_where(model, sample):
    result = run("report", model, sample, "--title", "For Ada & Bob", "--json")
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    page = Path("report.html")
    assert figures["output"] == "report.html" and figures["subset"] == "V"
    assert figures["bytes"] == page.stat().st_size < 2_000_000
    assert "<h1>For Ada &amp; Bob</h1>" in page.read_text("utf-8")


def test_report_refuses_a_place_before_any_work(model, sample, tmp_path):
    said = failure("report", model, sample, "--output", tmp_path)
    assert "is a folder" in said
    assert list(tmp_path.iterdir()) == []


def test_report_says_what_is_wrong_with_a_model(sample, tmp_path):
    assert "no.zip can't be loaded" in failure("report", "no.zip", sample)
    assert list(tmp_path.iterdir()) == []
