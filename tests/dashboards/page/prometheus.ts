// Questions to Prometheus.
import type { Scope } from "./model";

export interface Series {
  metric: Record<string, string>;
  points: [number, number][];
}

async function api(path: string, parameters: Record<string, string>): Promise<any> {
  const answer = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = await answer.json();
  if (status !== "success") throw new Error(error);
  return data;
}

const point = ([time, value]: [number, string]): [number, number] => [time, Number(value)];

/** What an expression is over the chosen time. */
export async function overTime(query: string, step: number, { time }: Scope): Promise<Series[]> {
  // As Grafana does: at whole steps, so that neighbours agree.
  const [start, end] = [time.from, time.to].map((at) => String(Math.floor(at / step) * step));
  const data = await api("query_range", { query, start, end, step: String(step) });
  return data.result.map(({ metric, values }: any) => ({ metric, points: values.map(point) }));
}

/** What an expression is at the end of the chosen time. */
export async function now(query: string, { time }: Scope): Promise<Series[]> {
  const data = await api("query", { query, time: String(time.to) });
  if (data.resultType === "scalar") return [{ metric: {}, points: [point(data.result)] }];
  return data.result.map(({ metric, value }: any) => ({ metric, points: [point(value)] }));
}

/** What `label_values(METRIC, LABEL)` finds. */
export async function values(definition: string, { time }: Scope): Promise<string[]> {
  const [, metric, label] = definition.match(/^label_values\((.+), (\w+)\)$/)!;
  return api(`label/${label}/values`, { "match[]": metric, start: String(time.from), end: String(time.to) });
}
