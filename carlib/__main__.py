"""The command `carlib`, where its script isn't on the PATH: `python -m carlib`."""

from carlib.cli.main import main

if __name__ == "__main__":
    main(prog_name="carlib")
