// Draws dashboards in headless Chromium: opens the built page, has it draw each dashboard in each look,
// answers what it asks (its own files, the dashboards, Prometheus), and tells what was found.
//
// MCP_PLAN: {installed, page: what prepare.mjs printed, prometheus: URL, from, to, scrape: seconds,
// dashboards: {uid: {file, looks: [[width, theme, {variable: value}], …]}, …}, pictures: folder or null}.
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
  const [, uid] = path.match(/^\/dashboards\/(.+)\.json$/) ?? [];
  if (uid) return plan.dashboards[uid].file;
  return join(plan.page, path === "/" ? "index.html" : normalize(path));
}

/** What Prometheus said to each question. */
const told = new Map();

async function ask(question) {
  const answer = await fetch(plan.prometheus + question);
  return { status: answer.status, contentType: TYPES.json, body: await answer.text() };
}

async function answer(route) {
  const url = new URL(route.request().url());
  if (url.origin !== PAGE) {
    strange.push(url.href);
    return route.abort();
  }
  if (url.pathname.startsWith("/api/v1/")) {
    const question = url.pathname + url.search;
    if (!told.has(question)) told.set(question, ask(question));
    return route.fulfill(await told.get(question));
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
async function picture(width, path) {
  await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));
  await page.screenshot({ path });
}

/** What is wrong, since it was last told. */
const errors = [], strange = [];
const page = await browser.newPage();
page.setDefaultTimeout(120000);
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
await page.route("**/*", answer);
await page.goto(PAGE);
await page.waitForFunction(() => window.draw);

async function look(uid, [width, theme, choices = {}]) {
  const { from, to, scrape } = plan;
  await page.setViewportSize({ width, height: 900 });
  const drawn = await page.evaluate((one) => window.draw(one), { dashboard: uid, from, to, scrape, theme, choices });
  if (plan.pictures) await picture(width, join(plan.pictures, `${uid}-${width}-${theme}.png`));
  const found = await page.evaluate(() => ({
    panels: document.querySelectorAll("[data-panel]").length,
    broken: [...document.querySelectorAll("[data-error], [data-broken]")].map(({ dataset, textContent }) => ({ ...dataset, textContent })),
    stats: Object.fromEntries([...document.querySelectorAll("[data-type=stat]")].map(({ dataset, innerText }) => [dataset.panel, innerText])),
    cut: [...document.querySelectorAll("[data-panel] h2")].filter((title) => title.scrollWidth > title.clientWidth).map((title) => title.innerText),
    fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  }));
  return { uid, width, errors: errors.splice(0), strange: strange.splice(0), ...drawn, ...found };
}

const looks = [];
for (const [uid, dashboard] of Object.entries(plan.dashboards)) for (const one of dashboard.looks) looks.push(await look(uid, one));
await browser.close();
console.log(JSON.stringify(looks));
