// Annotations: what is drawn over every chart at its time.
import type { GrafanaTheme2 } from "@grafana/data";
import { type UPlotConfigBuilder, useTheme2 } from "@grafana/ui";
import { useLayoutEffect } from "react";
import type { Annotation, Scope } from "./model";
import { overTime } from "./prometheus";

/** Something that was the case from then till then, in milliseconds. */
export interface Mark {
  color: string;
  from: number;
  to: number;
}

/** What annotations find in the chosen time. */
export async function events(annotations: Annotation[], scope: Scope): Promise<Mark[]> {
  const found = annotations.map(async ({ expr, step, iconColor }) => {
    const seconds = Math.max(Number.parseInt(step, 10), scope.time.scrape);
    const series = await overTime(scope.fill(expr, seconds), seconds, scope);
    return series.flatMap(({ points }) => regions(points, seconds, iconColor));
  });
  return (await Promise.all(found)).flat();
}

/** Points that follow each other are one region. */
function regions(points: [number, number][], step: number, color: string): Mark[] {
  const marks: Mark[] = [];
  for (const [time, value] of points) {
    if (!value) continue;
    const last = marks.at(-1);
    if (last && time * 1000 - last.to <= step * 1000) last.to = time * 1000;
    else marks.push({ color, from: time * 1000, to: time * 1000 });
  }
  return marks;
}

/** Draws marks into a chart, as Grafana does: a dashed line at each end, and a band between. */
export function Marks({ config, marks }: { config: UPlotConfigBuilder; marks: Mark[] }) {
  const theme = useTheme2();
  useLayoutEffect(() => config.addHook("draw", (chart) => draw(chart, marks, theme)), [config, marks, theme]);
  return null;
}

function draw(chart: uPlot, marks: Mark[], theme: GrafanaTheme2) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const mark of marks) {
    const [left, right] = [mark.from, mark.to].map((time) => Math.round(chart.valToPos(time, "x", true)));
    const color = theme.visualization.getColorByName(mark.color);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5, 5]);
    ctx.strokeStyle = color;
    for (const x of new Set([left, right])) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.globalAlpha = 0.1;
    ctx.fillStyle = color;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 1;
  }
  ctx.restore();
}
