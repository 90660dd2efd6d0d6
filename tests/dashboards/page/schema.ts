// What `check.mjs` holds dashboards against: the types of Grafana's schema, as they are in JSON. An
// object written down as one of these may have no key that the schema does not know. Where Grafana fills
// in what is left out, a part is enough.
import type { AnnotationQuery, Dashboard, DashboardLink, Panel as AnyPanel, RowPanel, VariableModel } from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** Enumerations are their values. */
type Json<T> = T extends string ? `${T}` : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;

/** A question to Prometheus. */
interface Target {
  refId: string;
  datasource: { type: "prometheus"; uid: "${datasource}" };
  expr: string;
  legendFormat: string;
  instant?: boolean;
  range?: boolean;
  format?: "table" | "time_series" | "heatmap";
}

type Defaults = NonNullable<AnyPanel["fieldConfig"]>["defaults"];

type Link = Pick<Json<DashboardLink>, "title" | "url" | "targetBlank"> & Partial<Json<DashboardLink>>;

type Of<Type extends string, Options, Custom> = Omit<Json<AnyPanel>, "type" | "options" | "fieldConfig" | "targets" | "links"> & {
  type: Type;
  options: Partial<Json<Options>>;
  links: Link[];
  targets: Target[];
  fieldConfig: {
    defaults: Omit<Json<Defaults>, "custom" | "mappings" | "thresholds"> & {
      custom?: Json<Custom>;
      mappings?: Json<Defaults["mappings"]>;
      thresholds: { mode: "absolute" | "percentage"; steps: { value: number | null; color: string }[] };
    };
    overrides: { matcher: { id: string; options?: unknown }; properties: { id: string; value?: unknown }[] }[];
  };
};

type Panel =
  | Of<"timeseries", timeseries.Options, timeseries.FieldConfig>
  | Of<"stat", stat.Options, object>
  | Of<"table", table.Options, table.FieldConfig>
  | Of<"state-timeline", timeline.Options, timeline.FieldConfig>
  | Omit<Json<RowPanel>, "id"> & { id: number };

interface Annotation extends Omit<Json<AnnotationQuery>, "target"> {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  useValueForTime: boolean;
}

type Variable = Omit<Json<VariableModel>, "current"> & { definition?: string; current: object };

export type Checked = Omit<Json<Dashboard>, "panels" | "annotations" | "templating"> & {
  panels: Panel[];
  annotations: { list: Annotation[] };
  templating: { list: Variable[] };
};
