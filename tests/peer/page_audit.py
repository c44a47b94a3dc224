"""What every page of the console owes whoever reads it: text that stands out, fields with names, focus that is seen, no page wider than its window."""

from __future__ import annotations

from typing import Any

# Every text against the nearest background that is not transparent. Source: WCAG 2.2 1.4.3.
_POOR_CONTRAST = """() => {
  const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const back = (node) => { for (; node; node = node.parentElement) { const c = rgb(getComputedStyle(node).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !node.checkVisibility() || node.closest("dialog, .hidden, .skip")) continue;
    const style = getComputedStyle(node), a = lum(rgb(style.color).slice(0, 3)), b = lum(back(node).slice(0, 3));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push([node.tagName, node.className, node.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
  }
  return poor;
}"""

# Fields that nothing names. Source: WCAG 2.2 4.1.2.
_NAMELESS = """() => [...document.querySelectorAll("input, select, textarea, button, a[href]")].filter((node) => {
  if (["hidden", "submit"].includes(node.type) && node.tagName === "INPUT" || !node.checkVisibility()) return false;
  const said = node.labels?.length ? [...node.labels].map((label) => label.textContent).join("") : node.textContent;
  const pictures = [...node.querySelectorAll("img")].map((picture) => picture.alt).join("");
  return !((node.tagName === "SELECT" && !node.labels.length ? "" : said) + pictures + (node.ariaLabel ?? node.getAttribute("aria-labelledby") ?? "")).trim();
}).map((node) => ["nameless", node.outerHTML.slice(0, 90)])"""

# What the keyboard reaches and does not show. Source: WCAG 2.2 2.4.7.
_UNSEEN_FOCUS = """() => {
  const shows = (node) => { const style = getComputedStyle(node);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none"; };
  const held = document.activeElement, poor = [];
  for (const node of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    if (!node.checkVisibility() || node.tabIndex < 0 || node.disabled) continue;
    node.focus({ focusVisible: true, preventScroll: true });
    if (document.activeElement === node && !shows(node) && !(node.labels && [...node.labels].some(shows)))
      poor.push(["focus", node.outerHTML.slice(0, 90)]);
  }
  held?.focus?.({ preventScroll: true });
  return poor;
}"""

# A field without a type is drawn as no other field is.
_PLAIN = """() => [...document.querySelectorAll("input:not([type])")].map((node) => ["plain", node.outerHTML.slice(0, 90)])"""

# What a template printed instead of a value.
_UNMEANT = """() => document.documentElement.outerHTML.match(/(?:<|&lt;|%3C)(?:Macro|function|bound method)[^>&%]{0,40}/g) ?? []"""

_TOO_WIDE = """() => { const root = document.documentElement;
  return root.scrollWidth > innerWidth ? [["wide", root.scrollWidth]] : []; }"""


def faults(page: Any) -> list[Any]:
    """Return what of the page that stands there could not be read, named or followed, with the node."""
    return [
        found
        for one in (_POOR_CONTRAST, _NAMELESS, _UNSEEN_FOCUS, _PLAIN, _UNMEANT, _TOO_WIDE)
        for found in page.evaluate(one)
    ]
