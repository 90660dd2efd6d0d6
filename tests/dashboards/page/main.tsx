// Draws dashboards with Grafana's own front-end parts, their numbers asked of a Prometheus. `../draw.mjs`
// opens this page once, answers what it asks, and calls `window.draw` for each look; each panel has its
// state in `data-state`.
import { createTheme, standardTransformers, standardTransformersRegistry, ThemeContext } from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { GlobalStyles } from "@grafana/ui";
import { createRoot, type Root } from "react-dom/client";
import { events } from "./annotations";
import { Board } from "./board";
import { readPanel } from "./frames";
import { type Answered, type Model, Scope } from "./model";
import { values } from "./prometheus";

/** One look: which dashboard, over which time, and what its variables stand for where it is not all. */
interface Look {
  dashboard: string;
  from: number;
  to: number;
  scrape: number;
  theme: "dark" | "light";
  choices: Record<string, string>;
}

interface Found {
  answered: Answered[];
  variables: Scope["shown"];
}

declare global {
  interface Window {
    draw?: (look: Look) => Promise<Found>;
  }
}

/** Frames without a change after which all is drawn. */
const STILL = 3;
/** How long it may take to come to rest, in milliseconds. */
const PATIENCE = 60_000;

let root: Root | undefined;

async function draw({ dashboard, from, to, scrape, theme, choices }: Look): Promise<Found> {
  // Nothing of the look before may be taken for this one.
  root?.unmount();
  const model: Model = await (await fetch(`/dashboards/${dashboard}.json`)).json();
  const themed = createTheme({ colors: { mode: theme } });
  const scope = new Scope({ from, to, scrape });
  for (const variable of model.templating.list) {
    if (variable.type !== "query") continue;
    const found = await values(variable.definition, scope);
    scope.choose(variable, found, choices[variable.name] ?? null);
  }
  const width = document.documentElement.clientWidth;
  const [drawn, marks] = await Promise.all([
    Promise.all(model.panels.map((panel) => readPanel(panel, scope, themed, width))),
    events(model.annotations.list, scope),
  ]);
  root = createRoot(document.getElementById("root")!);
  root.render(
    <ThemeContext.Provider value={themed}>
      <GlobalStyles />
      <Board model={model} scope={scope} panels={drawn} marks={marks} width={width} />
    </ThemeContext.Provider>,
  );
  await rest();
  await document.fonts.ready;
  await rest();
  return { answered: drawn.flatMap(({ answered }) => answered), variables: scope.shown };
}

/** Until nothing changes any more: charts and tables draw themselves in the frames after they are made. */
async function rest() {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const end = performance.now() + PATIENCE;
  let still = 0;
  const seen = new MutationObserver(() => (still = 0));
  seen.observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
  for (; still < STILL; still += 1) {
    if (performance.now() > end) throw new Error("the page does not come to rest");
    await frame();
  }
  seen.disconnect();
}

async function main() {
  await initPluginTranslations("dashboards");
  // Grafana looks transformations up by their ids; the library comes without any.
  standardTransformersRegistry.setInit(() =>
    [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
      id: transformation.id,
      name: transformation.name,
      description: transformation.description,
      transformation: async () => transformation,
      editor: () => null,
      imageDark: "",
      imageLight: "",
    })),
  );
  window.draw = (look) =>
    draw(look).catch((error) => {
      const answer = { place: "the page", expr: "", error: String(error?.stack ?? error), series: 0 };
      return { answered: [answer], variables: [] };
    });
}

void main();
