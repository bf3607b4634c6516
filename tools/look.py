# SPDX-License-Identifier: Apache-2.0
"""Looks at the built site in a browser: `python3 tools/dev.py docs -- --look`.

Takes a screenshot of each page at the width of a phone and of a desktop, in light and in dark.
Fails if a page is wider than the screen, if the browser reports an error, if a page asks another
host for anything, or if text has too little contrast with what is behind it.

It needs Chromium: that of the system (`apt-get install chromium`), or that of playwright
(`playwright install chromium`). It is not a part of the tests, which need no browser.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"phone": 390, "desktop": 1280}
SCHEMES = ("light", "dark")

# What is wider than the screen, and is not in a box that scrolls by itself.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  return document.documentElement.scrollWidth > width ? document.documentElement.scrollWidth : 0;
}"""

# The text whose contrast is below 4.5 (or 3 if it is large), as WCAG AA asks for.
PALE = """() => {
  const rgb = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const pale = new Set();
  for (const element of document.querySelectorAll('article *')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    const box = element.getBoundingClientRect();
    if (!own || !box.width || element.closest('.headerlink, .copybtn')) continue;
    const style = getComputedStyle(element);
    const color = rgb(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5))
      pale.add(`${element.tagName.toLowerCase()}.${element.className?.baseVal ??
               element.className} ${ratio.toFixed(1)}`);
  }
  return [...pale].slice(0, 5);
}"""


def pages_of(site: Path) -> list[str]:
    """The pages, without those that Sphinx makes."""
    made = {"genindex", "search", "py-modindex"}
    paths = sorted(site.rglob("*.html"))
    return [str(path.relative_to(site)) for path in paths if path.stem not in made]


def look_at(page: Page, site: Path, name: str, picture: Path) -> Iterator[str]:
    """Open a page, and take a picture. What is wrong with the page."""
    messages: list[str] = []
    page.on("console", lambda message: messages.append(f"{message.type}: {message.text}")
            if message.type in ("error", "warning") else None)  # fmt: skip
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: messages.append(f"asks {request.url}")
            if not request.url.startswith(("file:", "data:")) else None)  # fmt: skip
    page.goto((site / name).as_uri())
    page.wait_for_load_state("networkidle")
    page.screenshot(path=picture, full_page=True)
    yield from messages
    wide = page.evaluate(TOO_WIDE)
    if wide:
        yield f"is {wide} pixels wide"
    for text in page.evaluate(PALE):
        yield f"is pale: {text}"


def look(browser: Browser, site: Path, pictures: Path, only: str) -> Iterator[str]:
    """Look at all pages in all ways. What is wrong, and where."""
    for device, width in WIDTHS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 844},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            for name in pages_of(site):
                if only not in name:
                    continue
                page = context.new_page()
                picture = pictures / f"{name.replace('/', '-')[:-5]}.{device}.{scheme}.png"
                for problem in look_at(page, site, name, picture):
                    yield f"{name}, {device}, {scheme}: {problem}"
                page.close()
            context.close()


def main() -> int:
    """The exit status: 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("site", type=Path, help="the folder of the built site")
    parser.add_argument("pictures", type=Path, help="the folder for the screenshots")
    parser.add_argument("--only", default="", metavar="TEXT", help="pages with TEXT in their path")
    given = parser.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        # A sandbox of its own is not to be had in a container, and the pages are ours.
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        problems = [*look(browser, given.site.resolve(), given.pictures, given.only)]
        browser.close()
    print(*problems, sep="\n")
    print(f"the screenshots are in {given.pictures}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
