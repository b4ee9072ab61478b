import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const source = new URL("../src/", import.meta.url);
const style = await readFile(new URL("style.css", source), "utf8");
const schemes = [...style.matchAll(/:root \{([^}]*)\}/g)].map(([, body]) =>
  Object.fromEntries([...body.matchAll(/--([\w-]+): (#[0-9a-f]+)/g)].map(([, name, color]) => [name, color])));

function channels(color) {
  const hex = color.slice(1);
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
  return full.match(/../g).map((pair) => Number.parseInt(pair, 16) / 255);
}

/** A color with its opacity over another. */
function over(color, ground) {
  const [r, g, b, opacity = 1] = channels(color);
  return [r, g, b].map((channel, index) => channel * opacity + ground[index] * (1 - opacity));
}

function luminance(color) {
  const [r, g, b] = color.map((channel) => (channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

test("texts_have_the_contrast_of_level_AA_in_both_schemes", () => {
  assert.equal(schemes.length, 2);
  for (const colors of schemes) {
    for (const ground of ["page", "surface"].map((name) => channels(colors[name]))) {
      for (const text of ["text", "muted", "accent", "fault", "note", "good"]) {
        assert.ok(contrast(channels(colors[text]), ground) >= 4.5, `${text}: ${contrast(channels(colors[text]), ground)}`);
      }
      for (const level of ["good", "fault"]) {
        const tinted = contrast(channels(colors[level]), over(colors[`${level}-soft`], ground));
        assert.ok(tinted >= 4.5, `${level} on its tint: ${tinted}`);
      }
    }
  }
});

test("sources_write_no_html", async () => {
  for (const name of await readdir(source)) {
    const text = await readFile(new URL(name, source), "utf8");
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function/, name);
  }
});
