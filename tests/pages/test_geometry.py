"""Where marks stand."""

from carlib.pages import geometry


def test_a_share_stands_at_its_place_with_its_interval():
    line = geometry.strip(0.84, (0.78, 0.89), 0.37)
    assert (line["at"], line["low"], line["width"]) == (84, 78, 11)
    assert line["baseline"] == 37
    assert line["text"] == "84 of 100, 95 %: 78 to 89"


def test_few_mistakes_show_and_none_do_not():
    shades = [geometry.heat(count, 100) for count in range(101)]
    assert shades == sorted(shades)
    assert shades[:2] == [0, 1] and shades[-1] == geometry.HEAT
    assert geometry.heat(0, 0) == 0


def test_the_corners_of_a_chart_are_those_of_its_frame():
    made = geometry.chart("a", ("b", "c"), (1.0, 0.25))
    left, top, right, bottom = made["frame"]
    geometry.line(made, [(0, 0), (1, 0.25), (1, 0.9)], "first")
    corners = f"{left},{bottom} {right},{top} {right},{top}"
    read = [
        tuple(map(float, each.split(",")))
        for each in made["lines"][0]["points"].split()
    ]
    assert read == [tuple(map(float, each.split(","))) for each in corners.split()]
    assert [text for _, text in made["y_ticks"]][::5] == ["0 %", "25 %"]
    assert [text for _, text in made["x_ticks"]][-1] == "100 %"
