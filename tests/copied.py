"""Copies of photos as they turn up: stamped, scaled, mirrored, cropped, saved anew."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageOps


def resaved(image: Image.Image) -> Image.Image:
    """Smaller by a quarter; `put` saves it at a quality of its own."""
    width, height = image.size
    return image.resize((width * 3 // 4, height * 3 // 4))


def stamped(image: Image.Image) -> Image.Image:
    """With a word across it and a bar at its foot, as agencies sell photos."""
    image = image.copy()
    width, height = image.size
    draw = ImageDraw.Draw(image)
    draw.text((width * 0.3, height * 0.45), "agency photo", fill="white", font_size=18)
    draw.rectangle((0, height * 0.96, width, height), fill="black")
    return image


def mirrored(image: Image.Image) -> Image.Image:
    return ImageOps.mirror(image)


def cropped(image: Image.Image) -> Image.Image:
    """What is left when a sixth is cut away at the right and at the foot."""
    width, height = image.size
    return image.crop((0, 0, width * 5 // 6, height * 5 // 6))


def put(path: str, change, copy: Path) -> str:
    """Save a changed copy of a photo, and return its path."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as image:
        change(image.convert("RGB")).save(copy, quality=70)
    return str(copy)
