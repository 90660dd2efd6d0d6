// What the JSON of a dashboard says, as far as it is drawn, and what its variables stand for.
import type { DataFrame, DataTransformerConfig, FieldConfigSource } from "@grafana/data";

export interface Target {
  refId: string;
  expr: string;
  legendFormat: string;
  instant?: boolean;
  format?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  fieldConfig: FieldConfigSource;
  options: Record<string, any>;
  transformations?: DataTransformerConfig[];
}

export interface Variable {
  name: string;
  label: string;
  type: string;
  definition: string;
  allValue: string;
  hide?: number;
}

export interface Annotation {
  name: string;
  expr: string;
  step: string;
  iconColor: string;
  titleFormat: string;
}

export interface Model {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
}

/** One question of a panel, and what came of it. */
export interface Answered {
  place: string;
  expr: string;
  error?: string;
  series: number;
}

/** A panel with what it shows. */
export interface Drawn {
  panel: Panel;
  frames: DataFrame[];
  answered: Answered[];
}

/** The chosen time, and what variables stand for. */
export class Scope {
  readonly shown: { label: string; value: string; choices: number }[] = [];
  private readonly variables = new Map<string, string>();

  constructor(readonly time: { from: number; to: number; scrape: number }) {}

  /** One value, or all of them: as Grafana writes it into an expression. */
  choose(variable: Variable, found: string[], value: string | null) {
    const escaped = value?.replace(/[\\^$*+?.()|[\]{}]/g, "\\\\$&");
    this.variables.set(variable.name, escaped ?? variable.allValue);
    this.shown.push({ label: variable.label, value: value ?? "All", choices: found.length });
  }

  /** Seconds between two points of a chart that wide. */
  step(width: number): number {
    const exact = (this.time.to - this.time.from) / Math.max(width, 100);
    const round = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => step >= exact) ?? 3600;
    return Math.max(round, this.time.scrape);
  }

  /** An expression with variables filled in. */
  fill(text: string, step: number): string {
    const { from, to, scrape } = this.time;
    const own: Record<string, string> = {
      __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
      __range: `${to - from}s`,
    };
    return text.replace(/\$\{?(\w+)\}?/g, (whole, name) => own[name] ?? this.variables.get(name) ?? whole);
  }
}
