"""The command `carlib app`: a page on this computer that names the damage."""

import click

from carlib.cli import terminal
from carlib.cli.terminal import DATA, PATH, option, workspace_option


@click.command(cls=terminal.Command)
@click.argument("model", type=PATH)
@option(
    "--photos",
    metavar="DATA",
    type=DATA,
    help="The photos it was trained on: the page shows those most like a new one.",
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    help="Where the page is; 0: wherever there is room.",
)
@option("--open/--no-open", "opens", default=True, help="Open it in a browser.")
@workspace_option()
def app(model: str, photos: str | None, port: int, opens: bool, workspace: str) -> None:
    """Serve a page on which MODEL, a saved one, names the damage in photos.

    Drop, paste or take a photo: the page shows what it is taken for, whether that is
    sure, and where in the photo it shows. It's for this computer alone, and several
    may use it at once. Ctrl-C ends it.

    \b
    Examples:
      carlib app ImageModel.zip
      carlib app ImageModel.zip --photos photos.zip --port 0 --no-open
    """
    import webbrowser

    from carlib.app.answers import Answers
    from carlib.app.server import AppServer
    from carlib.data.locate import locate_data
    from carlib.data.table import load_index
    from carlib.messages import say
    from carlib.model.model import load_model

    loaded, train = load_model(model, workspace), None
    if photos:
        table = load_index(locate_data(photos))
        train = terminal.of_subset(table, "T", photos)
    answers = Answers(loaded, train)
    with AppServer(answers, port) as server:
        say(f"The page is at {server.address}. Ctrl-C ends it.")
        if opens:
            webbrowser.open(server.address)
        server.serve_forever()
