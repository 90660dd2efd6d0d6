// From the answers of Prometheus to the frames that Grafana's parts draw.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createDataFrame,
  type DataFrame,
  FieldConfigOptionsRegistry,
  FieldType,
  type GrafanaTheme2,
  transformDataFrame,
} from "@grafana/data";
import { lastValueFrom } from "rxjs";
import type { Answered, Drawn, Panel, Scope, Target } from "./model";
import { now, overTime, type Series } from "./prometheus";

const COLUMNS = 24;
const STANDARD = ["unit", "decimals", "min", "max", "noValue", "thresholds", "color", "mappings", "displayName"];

/** Asks what a panel asks, and gives what it is to show. */
export async function readPanel(panel: Panel, scope: Scope, theme: GrafanaTheme2, page: number): Promise<Drawn> {
  const step = scope.step((page * panel.gridPos.w) / COLUMNS);
  const answered: Answered[] = [];
  const read = await Promise.all(
    (panel.targets ?? []).map(async (target) => {
      const answer: Answered = { place: panel.title, expr: target.expr, series: 0 };
      answered.push(answer);
      try {
        const expr = scope.fill(target.expr, step);
        const series = await (target.instant ? now(expr, scope) : overTime(expr, step, scope));
        answer.series = series.filter(({ points }) => points.some(([, value]) => !Number.isNaN(value))).length;
        return asFrames(panel, target, series, step, scope);
      } catch (error) {
        answer.error = String(error);
        return [];
      }
    }),
  );
  const frames = await lastValueFrom(transformDataFrame(panel.transformations ?? [], read.flat()));
  const shown = withFields(panel, frames, theme);
  cacheFieldDisplayNames(shown);
  return { panel, answered, frames: shown };
}

const asFrames = (panel: Panel, target: Target, series: Series[], step: number, scope: Scope) =>
  target.format === "table"
    ? [asTable(panel, target, series)]
    : series.map((one) => asLine(target, one, target.instant ? one.points.map(([time]) => time) : times(step, scope)));

function times(step: number, { time }: Scope): number[] {
  const start = Math.floor(time.from / step) * step;
  return Array.from({ length: Math.floor((time.to - start) / step) + 1 }, (_, index) => start + index * step);
}

/** One series; where it has no point, or no number, there is a gap. */
function asLine(target: Target, { metric, points }: Series, at: number[]): DataFrame {
  const known = new Map(points);
  const values = at.map((time) => known.get(time) ?? null).map((value) => (Number.isFinite(value) ? value : null));
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: at.map((time) => time * 1000) },
      {
        name: "Value",
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: legend(target, metric) },
        values,
      },
    ],
  });
}

/** Series as rows: a column for each label. */
function asTable(panel: Panel, target: Target, series: Series[]): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const value = panel.targets!.length > 1 ? `Value #${target.refId}` : "Value";
  if (series.length === 0) return createDataFrame({ refId: target.refId, fields: [] });
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: series.map(({ points }) => points[0][0] * 1000) },
      ...labels.map((name) => ({
        name,
        type: FieldType.string,
        values: series.map(({ metric }) => metric[name] ?? ""),
      })),
      { name: value, type: FieldType.number, values: series.map(({ points }) => points[0][1]) },
    ],
  });
}

function legend({ legendFormat, expr }: Target, metric: Record<string, string>): string {
  if (legendFormat !== "__auto") return legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, name) => metric[name] ?? "");
  const { __name__ = "", ...labels } = metric;
  const inside = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return inside.length ? `${__name__}{${inside.join(", ")}}` : __name__ || expr;
}

/** Units, colours, thresholds: what the panel says of its fields. */
function withFields({ fieldConfig, targets }: Panel, data: DataFrame[], theme: GrafanaTheme2): DataFrame[] {
  if (!targets) return [];
  const overridden = fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const own = Object.keys(fieldConfig.defaults.custom ?? {}).map((path) => `custom.${path}`);
  const ids = new Set([...STANDARD, ...own, ...overridden]);
  const all = [...ids].map((id) => ({ id, path: id.replace(/^custom\./, ""), isCustom: id.startsWith("custom.") }));
  const registry = new FieldConfigOptionsRegistry(() =>
    all.map((property) => ({
      ...property,
      name: property.id,
      process: (value: any) => (property.id === "thresholds" ? fromTheLeast(value) : value),
      shouldApply: () => true,
      getItemsCount: () => 0,
      override: () => null as any,
      editor: () => null as any,
    })),
  );
  return applyFieldOverrides({
    data,
    fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme,
    timeZone: "utc",
  });
}

/** The first step of thresholds has no value in JSON. */
const fromTheLeast = (thresholds?: { mode: string; steps: { value: number | null }[] }) =>
  thresholds && {
    ...thresholds,
    steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })),
  };
