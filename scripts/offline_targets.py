"""Which wheels a machine needs: its pins by their markers, its wheels by their tags.

pip's own `--platform` chooses wheels for another machine, but it reads the markers of
requirements.txt, such as `sys_platform == 'win32'`, for the machine that it runs on. So
they are read here.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging import tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHONS = ("3.11", "3.12", "3.13")
# For each system what markers see there, and the platforms of its wheels, best first:
# glibc 2.28, as Debian 10 and Ubuntu 20.04 have it, macOS 14, any Windows of 64 bits.
_GLIBC = (
    *(f"manylinux_2_{minor}" for minor in range(28, 4, -1)),
    *("manylinux2014", "manylinux2010", "manylinux1"),
)
SYSTEMS = {
    "linux-x86_64": (
        ("linux", "posix", "Linux", "x86_64"),
        tuple(f"{glibc}_x86_64" for glibc in _GLIBC),
    ),
    "macos-arm64": (
        ("darwin", "posix", "Darwin", "arm64"),
        tuple(tags.mac_platforms((14, 0), "arm64")),
    ),
    "windows-x86_64": (("win32", "nt", "Windows", "AMD64"), ("win_amd64",)),
}


@dataclass(frozen=True)
class Target:
    """A system and a version of Python that somebody has.

    Attributes:
        system: One of SYSTEMS.
        python: One of PYTHONS.
    """

    system: str
    python: str

    @property
    def name(self) -> str:
        """Such as "linux-x86_64-3.12"."""
        return f"{self.system}-{self.python}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms of its wheels, the best first."""
        return SYSTEMS[self.system][1]

    @property
    def markers(self) -> dict[str, str]:
        """What the markers of a requirement see there."""
        sys_platform, os_name, system, machine = SYSTEMS[self.system][0]
        full = f"{self.python}.0"
        return {
            "sys_platform": sys_platform,
            "os_name": os_name,
            "platform_system": system,
            "platform_machine": machine,
            "platform_release": "",
            "platform_version": "",
            "python_version": self.python,
            "python_full_version": full,
            "implementation_name": "cpython",
            "implementation_version": full,
            "platform_python_implementation": "CPython",
        }

    @functools.cached_property
    def ranks(self) -> dict[tags.Tag, int]:
        """Each tag that a wheel for it may have, and its rank; 0 is the best."""
        major, minor = map(int, self.python.split("."))
        version, interpreter = (major, minor), f"cp{major}{minor}"
        own = tags.cpython_tags(version, [interpreter], self.platforms)
        shared = tags.compatible_tags(version, interpreter, self.platforms)
        return {tag: rank for rank, tag in enumerate([*own, *shared])}


def pins(text: str, target: Target) -> list[str]:
    """Return the pins of a requirements.txt that hold for a target, without markers.

    Returns:
        Such as ["numpy==2.4.6", "pywinpty==3.1.2"].
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = map(Requirement, lines)
    return [
        f"{pin.name}{pin.specifier}"
        for pin in found
        if pin.marker is None or pin.marker.evaluate(target.markers)
    ]


def wheels_of(
    wanted: Iterable[str], wheels: Iterable[Path], target: Target
) -> dict[str, Path | None]:
    """Return for each pin the best of some wheels for a target, or None."""
    known: dict[str, list[tuple[int, Path]]] = {}
    for wheel in wheels:
        name, version, _, carried = parse_wheel_filename(wheel.name)
        if fitting := carried & target.ranks.keys():
            rank = min(target.ranks[tag] for tag in fitting)
            known.setdefault(f"{name}=={version}", []).append((rank, wheel))
    return {pin: min(known.get(_plain(pin), [(0, None)]))[1] for pin in wanted}


def _plain(pin: str) -> str:
    """Return a pin as a wheel's name spells it, such as "jinja2==3.1.6"."""
    requirement = Requirement(pin)
    (version,) = requirement.specifier
    return f"{canonicalize_name(requirement.name)}=={version.version}"
