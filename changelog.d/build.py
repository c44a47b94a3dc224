"""Collect the fragments of this folder into CHANGELOG.md as one release, and remove them.

usage: python changelog.d/build.py VERSION
"""

import sys
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).parent
KINDS = ("security", "schema", "mapping", "added", "changed", "fixed")
MARK = "<!-- releases -->\n"


def release(version: str, day: date) -> str:
    """Return the release's text, by kind in the order in which an upgrader reads. Raises: SystemExit if there is none."""
    fragments = [(file.name.split(".")[-2], file.read_text("utf-8").strip()) for file in sorted(FOLDER.glob("*.*.md"))]
    unknown = sorted({kind for kind, _ in fragments} - set(KINDS))
    if unknown or not fragments:
        sys.exit(f"no such kind: {', '.join(unknown)}" if unknown else "no fragments to collect")
    parts = [f"\n## {version} ({day:%Y-%m-%d})\n"]
    for kind in KINDS:
        lines = [f"- {text}\n" for name, text in fragments if name == kind]
        if lines:
            parts.append(f"\n### {kind.capitalize()}\n\n{''.join(lines)}")
    return "".join(parts)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: make changelog VERSION=1.2.3")
    target = FOLDER.parent / "CHANGELOG.md"
    text = target.read_text("utf-8")
    target.write_text(text.replace(MARK, MARK + release(sys.argv[1], date.today())), "utf-8")
    for file in FOLDER.glob("*.*.md"):
        file.unlink()


if __name__ == "__main__":
    main()
