// Opens the page of a server in headless Chromium, waits until its headline holds a text, and
// tells what stands there and what is wrong with it.
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const plan = JSON.parse(process.env.MCP_PLAN);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function look(width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  const errors = [], strange = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => request.url().startsWith(plan.url) || request.url().startsWith("data:") || strange.push(request.url()));
  await page.goto(plan.link ?? plan.url);
  if (plan.token) {
    await page.fill("#token", plan.token);
    await page.click("button");
  }
  await page.waitForFunction((text) => document.getElementById("headline")?.textContent.includes(text), plan.wait, { timeout: 30000 });
  // The charts have a point once there were two looks.
  await page.waitForFunction(() => document.querySelector("#rate path.one")?.getAttribute("d"), null, { timeout: 30000 });
  await page.locator("summary").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("config").textContent.length > 0);
  if (plan.pictures) await page.screenshot({ path: `${plan.pictures}/page-${width}-${colorScheme}.png`, fullPage: true });
  const found = await page.evaluate(() => ({
    headline: document.getElementById("headline").textContent,
    why: document.getElementById("why").textContent,
    figures: document.getElementById("figures").textContent,
    upstreams: document.getElementById("upstreams").textContent,
    config: document.getElementById("config").textContent,
    fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  }));
  // The page itself lets no such script in.
  const session = await context.newCDPSession(page);
  await session.send("Page.setBypassCSP", { enabled: true });
  await session.send("Runtime.evaluate", { expression: (await import("node:fs")).readFileSync(axe, "utf8") });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  await context.close();
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id }) => id);
  return { width, errors, strange, serious, ...found };
}

const looks = [];
for (const [width, scheme] of plan.looks) looks.push(await look(width, scheme));
await browser.close();
console.log(JSON.stringify(looks));
