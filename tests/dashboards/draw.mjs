// Draws dashboards in headless Chromium: opens the built page once for each dashboard and look,
// answers what it asks (its own files, the dashboards, Prometheus), and tells what was found.
//
// MCP_PLAN: {installed: what prepare.mjs made, dashboards: folder, prometheus: URL, uids: […], from, to,
// scrape: seconds, looks: [[width, theme, {variable: value}], …], pictures: folder or null}.
// Run in the folder that has playwright-core.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, normalize } from "node:path";

const { chromium } = createRequire(process.cwd() + "/")("playwright-core");
const plan = JSON.parse(process.env.MCP_PLAN);
const PAGE = "http://dashboards.invalid";
const WEIGHTS = { Regular: 400, Medium: 500 };
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml", json: "application/json" };

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** The file that stands for a path of the page. */
function file(path) {
  const packages = join(plan.installed, "node_modules");
  const [, icon] = path.match(/\/img\/icons\/(.+)$/) ?? [];
  if (icon) return join(packages, "@grafana/ui/dist/public/img/icons", normalize("/" + icon));
  const [, font] = path.match(/\/fonts\/inter\/Inter-(\w+).woff2$/) ?? [];
  if (font) return join(packages, `@fontsource/inter/files/inter-latin-${WEIGHTS[font]}-normal.woff2`);
  if (path.startsWith("/dashboards/")) return join(plan.dashboards, normalize(path.slice("/dashboards".length)));
  return join(plan.installed, "page", path === "/" ? "index.html" : normalize(path));
}

async function answer(route, strange) {
  const url = new URL(route.request().url());
  if (url.origin !== PAGE) {
    strange.push(url.href);
    return route.abort();
  }
  if (url.pathname.startsWith("/api/v1/")) {
    const told = await fetch(plan.prometheus + url.pathname + url.search);
    return route.fulfill({ status: told.status, contentType: TYPES.json, body: await told.text() });
  }
  try {
    const body = await readFile(file(url.pathname));
    return await route.fulfill({ body, contentType: TYPES[url.pathname.split(".").pop()] ?? TYPES.html });
  } catch {
    strange.push(url.pathname);
    return route.fulfill({ status: 404, body: "" });
  }
}

/** The whole page. Parts that draw what is in sight draw all of it in a window that is high enough. */
async function picture(page, width, path) {
  await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));
  await page.screenshot({ path });
}

async function look(uid, [width, theme, choices = {}]) {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const errors = [], strange = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route("**/*", (route) => answer(route, strange));
  const { from, to, scrape } = plan;
  await page.goto(`${PAGE}/?${new URLSearchParams({ dashboard: uid, from, to, scrape, theme, ...choices })}`);
  await page.waitForFunction(() => window.drawn, null, { timeout: 120000 });
  if (plan.pictures) await picture(page, width, join(plan.pictures, `${uid}-${width}-${theme}.png`));
  const found = await page.evaluate(() => ({
    panels: document.querySelectorAll("[data-panel]").length,
    broken: [...document.querySelectorAll("[data-error], [data-broken]")].map(({ dataset, textContent }) => ({ ...dataset, textContent })),
    stats: Object.fromEntries([...document.querySelectorAll("[data-type=stat]")].map(({ dataset, innerText }) => [dataset.panel, innerText])),
    ...window.drawn,
    fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  }));
  await page.close();
  return { uid, width, errors, strange, ...found };
}

const looks = [];
for (const uid of plan.uids) for (const one of plan.looks) looks.push(await look(uid, one));
await browser.close();
console.log(JSON.stringify(looks));
