// Reads requests from stdin, one JSON object a line, and answers each with one line:
//   {"play": FILE}                FILE is a JSON list of events -> {order, changes, warnings}
//   {"styles": [[a, b], ...]}     -> [true, false, ...]
// node replay.mjs [PATH OF CHROMIUM]

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const rrweb = join(dirname(createRequire(import.meta.url).resolve("rrweb")), "rrweb.umd.cjs");

const browser = await chromium.launch({
  executablePath: process.argv[2] ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

async function newPage() {
  const page = await browser.newPage();
  await page.route("**/*", (route) => route.abort());
  await page.setContent("<!DOCTYPE html><title>replay</title><body></body>");
  await page.evaluate("globalThis.process = { env: { NODE_ENV: 'production' } }");
  await page.addScriptTag({ content: readFileSync(rrweb, "utf8") });
  await page.addScriptTag({ content: readFileSync(join(here, "page.js"), "utf8") });
  return page;
}

const stylePage = await newPage();

async function answer(request) {
  if (request.styles) {
    const same = await stylePage.evaluate((pairs) => window.sameStyles(pairs), request.styles);
    return JSON.stringify(same);
  }
  const page = await newPage();
  try {
    return await page.evaluate((text) => window.playAll(text), readFileSync(request.play, "utf8"));
  } finally {
    await page.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let text;
  try {
    text = await answer(JSON.parse(line));
  } catch (error) {
    text = JSON.stringify({ error: String(error) });
  }
  process.stdout.write(`${text}\n`);
}
await browser.close();
