// A state timeline: a bar of colour for each series. Grafana keeps its own in the server's program,
// so this is ours, with Grafana's colours, texts and legend.
import { type DataFrame, type Field, FieldType, formattedValueToString } from "@grafana/data";
import { LegendDisplayMode } from "@grafana/schema";
import { useTheme2, VizLegend } from "@grafana/ui";
import type { Scope } from "./model";
import type { ShownProps } from "./shown";

const AXIS = 20;
const LEGEND = 30;
/** Pixels of a letter, about. */
const LETTER = 6.2;

interface Bar {
  from: number;
  to: number;
  color: string;
}

const valueOf = (frame: DataFrame): Field => frame.fields.find(({ type }) => type === FieldType.number)!;

/** Neighbours in the same state are one bar. */
function bars(frame: DataFrame): Bar[] {
  const [time, value] = [frame.fields[0].values, valueOf(frame)];
  const all: Bar[] = [];
  time.forEach((from, index) => {
    const state = value.values[index];
    if (state === null) return;
    const { color = "gray" } = value.display!(state);
    const to = time[index + 1] ?? from;
    const last = all.at(-1);
    if (last && last.to === from && last.color === color) last.to = to;
    else all.push({ from, to, color });
  });
  return all;
}

/** Each state that is seen, once. */
function states(frames: DataFrame[]) {
  const seen = new Map<string, string>();
  for (const { values, display } of frames.map(valueOf)) {
    for (const state of new Set(values.filter((value: number | null) => value !== null))) {
      const shown = display!(state);
      seen.set(formattedValueToString(shown), shown.color ?? "gray");
    }
  }
  return [...seen].map(([label, color]) => ({ label, color, yAxis: 1 }));
}

const clock = (time: number) => new Date(time).toISOString().slice(11, 19);

export function Timeline({ drawn, scope, width, height }: ShownProps) {
  const frames = drawn.frames.filter(valueOf);
  const longest = Math.max(0, ...frames.map((frame) => valueOf(frame).config.displayNameFromDS!.length));
  const names = Math.min(longest * LETTER + 8, width / 2);
  const tall = (height - AXIS - LEGEND) / Math.max(frames.length, 1);
  const { text } = useTheme2().colors;
  const small = { fontSize: 11, fill: text.primary };
  return (
    <>
      <svg width={width} height={height - LEGEND}>
        {frames.map((frame, row) => (
          <g key={valueOf(frame).config.displayNameFromDS} transform={`translate(0 ${row * tall})`}>
            <text x={0} y={tall / 2} dominantBaseline="middle" style={small}>
              {valueOf(frame).config.displayNameFromDS}
            </text>
            {bars(frame).map(({ from, to, color }) => {
              const [left, right] = [from, to].map((time) => names + place(time, scope) * (width - names));
              return <rect key={from} x={left} width={right - left} y={tall * 0.05} height={tall * 0.9} fill={color} />;
            })}
          </g>
        ))}
        {[0, 0.25, 0.5, 0.75].map((part) => (
          <text key={part} x={names + part * (width - names)} y={height - LEGEND - 4} style={small}>
            {clock((scope.time.from + part * (scope.time.to - scope.time.from)) * 1000)}
          </text>
        ))}
      </svg>
      <VizLegend items={states(frames)} placement="bottom" displayMode={LegendDisplayMode.List} />
    </>
  );
}

/** Where a time stands in the chosen time, from 0 to 1. */
const place = (time: number, { time: { from, to } }: Scope) => Math.min(Math.max((time / 1000 - from) / (to - from), 0), 1);
