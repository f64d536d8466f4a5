"""The commands `carlib cache …`: what is kept, is it whole, merge it, remove it."""

import sys
from typing import Any

import click

from carlib.cli import terminal
from carlib.cli.terminal import (
    ARCH,
    json_option,
    option,
    show,
    stdout_kept,
    workspace_option,
)
from carlib.errors import OptionError


@click.group(cls=terminal.Commands)
def cache() -> None:
    """Look into the cache of bottlenecks, check it, and tidy it up."""


@cache.command()
@workspace_option("folder")
@json_option
def info(folder: str, as_json: bool) -> None:
    """Say what the cache of bottlenecks holds, by the sizes of its files.

    \b
    Examples:
      carlib cache info
      carlib cache info --workspace notebooks/workspace --json
    """
    from carlib.bottlenecks.cache import cache_info

    kept = cache_info(folder)
    show_caches(as_json, folder, kept, [info_text(entry) for entry in kept])


@cache.command()
@workspace_option("folder")
@json_option
def verify(folder: str, as_json: bool) -> None:
    """Read and hash all that the cache of bottlenecks holds.

    What is damaged is set aside, and computed again when it is next asked for. The exit
    code is 1 if anything is.

    \b
    Examples:
      carlib cache verify
      carlib cache verify --workspace notebooks/workspace --json
    """
    from carlib.bottlenecks.cache import verify_cache

    with stdout_kept(as_json):
        found = verify_cache(folder)
    show_caches(as_json, folder, found, [verify_text(entry) for entry in found])
    if any(entry["damaged"] or entry["network"] is False for entry in found):
        click.get_current_context().exit(1)


@cache.command()
@workspace_option("folder")
@json_option
def compact(folder: str, as_json: bool) -> None:
    """Merge small files of the cache of bottlenecks into large ones.

    Others may use the cache meanwhile: a file goes only when a larger one that holds
    all of its rows is on the disk.

    \b
    Examples:
      carlib cache compact
      carlib cache compact --workspace notebooks/workspace --json
    """
    from carlib.bottlenecks.cache import compact_cache

    merged = compact_cache(folder)
    show_caches(as_json, folder, merged, [compact_text(entry) for entry in merged])


@cache.command()
@option("--arch", metavar="NAME", type=ARCH, help="Only what this backbone computed.")
@option("--yes", is_flag=True, help="Remove without asking.")
@workspace_option("folder")
@json_option
def clear(folder: str, arch: str | None, yes: bool, as_json: bool) -> None:
    """Remove bottlenecks and converted networks, after asking.

    What would go is said first. Without a terminal to ask at, --yes is needed.

    \b
    Examples:
      carlib cache clear
      carlib cache clear --arch InceptionV3
      carlib cache clear --workspace notebooks/workspace --yes --json
    """
    from carlib.bottlenecks.cache import cache_info, clear_cache

    kept = [entry for entry in cache_info(folder) if arch is None or is_of(entry, arch)]
    agreed = yes or not kept or agree_to_remove(kept)
    gone = clear_cache(folder, arch) if kept and agreed else []
    figures = {"workspace": folder, "removed": gone}
    show(as_json, figures, clear_text(folder, arch, kept, gone))
    if not agreed:
        click.get_current_context().exit(1)


def show_caches(
    as_json: bool, workspace: str, caches: list[dict[str, Any]], lines: list[str]
) -> None:
    """Print what is to be said of each backbone, or that none is kept."""
    text = "\n".join(lines) or f"No bottlenecks are kept in {workspace}."
    show(as_json, {"workspace": workspace, "caches": caches}, text)


def is_of(entry: dict[str, Any], arch: str) -> bool:
    """Tell whether an entry is a backbone's, whatever the case of its name."""
    return entry["arch"].casefold() == arch.casefold()


def agree_to_remove(kept: list[dict[str, Any]]) -> bool:
    """Show on stderr what would go, and ask; Ctrl-C and an end of input are a no.

    Raises:
        OptionError: There is no terminal to ask at.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise OptionError(
            "Nothing was removed: there is no terminal to ask for a yes at.",
            hint="Look with carlib cache info, then add --yes.",
        )
    click.echo("\n".join(info_text(entry) for entry in kept), err=True)
    try:
        return click.confirm("Remove all this?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def name_of(entry: dict[str, Any]) -> str:
    """Return what tells a backbone from the others in a workspace."""
    names = (entry["arch"], entry.get("precision"), entry["fingerprint"][:12])
    return " ".join(name for name in names if name)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as 1 file and 1,200 files."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def info_text(entry: dict[str, Any]) -> str:
    """Return what a backbone has in the cache."""
    held = f"{count(entry['photos'], 'photo')} in {count(entry['shards'], 'file')}"
    return f"{name_of(entry)}: {held}, {entry['bytes'] / 1e6:.1f} MB"


NETWORKS = {
    None: "no converted network",
    True: "the converted network is whole",
    False: "the converted network is damaged, and made again when it is needed",
}


def verify_text(entry: dict[str, Any]) -> str:
    """Return what is whole of a backbone's files and what isn't."""
    whole = (
        f"{count(entry['photos'], 'photo')} in {count(entry['shards'], 'whole file')}"
    )
    damaged = f"{count(entry['damaged'], 'file')} damaged and set aside"
    return f"{name_of(entry)}: {whole}; {damaged}; {NETWORKS[entry['network']]}"


def compact_text(entry: dict[str, Any]) -> str:
    """Return how many files there were and are."""
    return f"{name_of(entry)}: {count(entry['before'], 'file')}, now {entry['after']:,}"


def clear_text(
    workspace: str,
    arch: str | None,
    kept: list[dict[str, Any]],
    gone: list[dict[str, Any]],
) -> str:
    """Return what was removed, or why nothing was."""
    if gone:
        return "\n".join(f"Removed {name_of(entry)}." for entry in gone)
    if kept:
        return "Nothing was removed."
    whose = f" of {arch}" if arch else ""
    return f"No bottlenecks{whose} are kept in {workspace}."
