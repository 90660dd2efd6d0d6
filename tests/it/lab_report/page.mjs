// Opens pages in headless Chromium at several widths, and tells what is wrong with them and what
// their charts measure. Takes pictures of them where a folder for that is named.
// Run with the folder of its packages as working directory and this file on standard input.
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const plan = JSON.parse(process.env.MCP_PLAN);
const browser = await chromium.launch({
  executablePath: plan.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

// What is broader than the page and does not scroll by itself.
const overflowing = () => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (node) => node && (node.classList?.contains("scroll") || scrolls(node.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter((node) => node.getBoundingClientRect().right > wide + 1 && !scrolls(node) && !node.closest("svg, .lane"))
    .map((node) => `${node.tagName}.${node.className}: ${node.textContent.slice(0, 60)}`);
};

const charts = () =>
  [...document.querySelectorAll("figure.chart")].map((figure) => {
    const size = (node) => { const { width, height } = node.getBoundingClientRect(); return { width, height }; };
    const marks = [...figure.querySelectorAll("svg path:not(.grid), svg rect, .lane i, .bar, .dot")];
    return {
      title: figure.querySelector("h4").textContent,
      ...size(figure.querySelector(".plot svg, .rows")),
      marks: marks.map(size).filter(({ width, height }) => width > 0 || height > 0).length,
      invisible: marks.map(size).filter(({ width, height }) => !(width > 0 || height > 0)).length,
    };
  });

async function look(width, scheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: true });
  const page = await context.newPage();
  const errors = [], requests = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("dialog", (dialog) => { errors.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(plan.url, { waitUntil: "load" });
  const asked = requests.filter((url) => url !== plan.url && !url.startsWith("data:"));
  const found = {
    width, scheme, errors, asked,
    scripts: await page.locator("script, iframe, object, embed, img, a[href^='javascript:']").count(),
    overflow: await page.evaluate(overflowing),
    pageWidth: await page.evaluate(() => document.documentElement.scrollWidth),
    charts: await page.evaluate(charts),
    top: await page.evaluate(() => {
      const bottom = (selector) => document.querySelector(selector)?.getBoundingClientRect().bottom ?? null;
      return { verdict: bottom(".verdict"), story: bottom("header .story") };
    }),
  };
  if (plan.pictures) {
    await page.screenshot({ path: `${plan.pictures}/${width}-${scheme}.png`, fullPage: true });
  }
  // What is folded away is read too.
  await page.evaluate(() => document.querySelectorAll("details").forEach((node) => { node.open = true; }));
  found.overflowUnfolded = await page.evaluate(overflowing);
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  found.axe = violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
  await context.close();
  return found;
}

const looks = [];
for (const [width, scheme] of plan.looks) looks.push(await look(width, scheme));
await browser.close();
console.log(JSON.stringify(looks));
