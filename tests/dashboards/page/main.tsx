// Draws one dashboard with Grafana's own front-end parts, its numbers asked of a Prometheus. The
// address says which: `?dashboard=UID&from=S&to=S&scrape=S&theme=light`, and `&upstream=…` for a
// variable that is not to stand for all. `../draw.mjs` opens it and answers what it asks; each panel
// has its state in `data-state`, and `window.drawn` holds what was found when all are there.
import { createTheme, standardTransformers, standardTransformersRegistry, ThemeContext } from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { GlobalStyles } from "@grafana/ui";
import { createRoot } from "react-dom/client";
import { events } from "./annotations";
import { Board } from "./board";
import { readPanel } from "./frames";
import { type Answered, type Model, Scope } from "./model";
import { values } from "./prometheus";

declare global {
  interface Window {
    drawn?: { answered: Answered[]; variables: Scope["shown"] };
  }
}

const asked = new URLSearchParams(location.search);
const number = (name: string) => Number(asked.get(name));

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
  const model: Model = await (await fetch(`/dashboards/${asked.get("dashboard")}.json`)).json();
  const theme = createTheme({ colors: { mode: asked.get("theme") === "dark" ? "dark" : "light" } });
  const scope = new Scope({ from: number("from"), to: number("to"), scrape: number("scrape") });
  for (const variable of model.templating.list) {
    if (variable.type !== "query") continue;
    const found = await values(variable.definition, scope);
    scope.choose(variable, found, asked.get(variable.name));
  }
  const width = document.documentElement.clientWidth;
  const drawn = await Promise.all(model.panels.map((panel) => readPanel(panel, scope, theme, width)));
  const marks = await events(model.annotations.list, scope);
  createRoot(document.getElementById("root")!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Board model={model} scope={scope} panels={drawn} marks={marks} width={width} />
    </ThemeContext.Provider>,
  );
  // Charts draw themselves in the frames after that.
  await new Promise((done) => setTimeout(done, 100));
  await document.fonts.ready;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  window.drawn = { answered: drawn.flatMap(({ answered }) => answered), variables: scope.shown };
}

main().catch((error) => {
  const answer = { place: "the page", expr: "", error: String(error?.stack ?? error), series: 0 };
  window.drawn = { answered: [answer], variables: [] };
});
