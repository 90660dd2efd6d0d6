// Each type of panel, drawn by the part that Grafana draws it with. For state timelines no package
// has one: `timeline.tsx` stands in.
import { dateTime, FieldType, getFieldDisplayValues, type TimeRange } from "@grafana/data";
import { BigValue, TimeSeries, useTheme2, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { type Mark, Marks } from "./annotations";
import type { Drawn, Scope } from "./model";
import { Timeline } from "./timeline";

export interface ShownProps {
  drawn: Drawn;
  marks: Mark[];
  scope: Scope;
  width: number;
  height: number;
}

const PARTS: Record<string, (props: ShownProps) => React.JSX.Element> = {
  timeseries: Chart,
  stat: Stat,
  table: Table,
  "state-timeline": Timeline,
};

export function Shown(props: ShownProps) {
  const { panel, frames } = props.drawn;
  const Part = PARTS[panel.type];
  if (!Part) throw new Error(`a panel of type ${panel.type} is not drawn here`);
  const isEmpty = frames.every(({ fields }) => fields.every(({ type }) => type !== FieldType.number));
  // A stat says so itself.
  if (isEmpty && panel.type !== "stat" && !frames.some(({ length }) => length)) return <Nothing {...props} />;
  return <Part {...props} />;
}

function Nothing({ drawn, height }: ShownProps) {
  const theme = useTheme2();
  const text = drawn.panel.fieldConfig.defaults.noValue ?? "No data";
  return (
    <div style={{ height, display: "grid", placeItems: "center", color: theme.colors.text.secondary }}>{text}</div>
  );
}

export function timeRange({ time }: Scope): TimeRange {
  const [from, to] = [time.from, time.to].map((at) => dateTime(at * 1000));
  return { from, to, raw: { from, to } };
}

function Chart({ drawn, marks, scope, width, height }: ShownProps) {
  return (
    <TimeSeries
      frames={drawn.frames}
      width={width}
      height={height}
      timeRange={timeRange(scope)}
      timeZone="utc"
      legend={drawn.panel.options.legend}
    >
      {(config) => <Marks config={config} marks={marks} />}
    </TimeSeries>
  );
}

function Stat({ drawn, width, height }: ShownProps) {
  const theme = useTheme2();
  const { options, fieldConfig } = drawn.panel;
  const getValues = () =>
    getFieldDisplayValues({
      data: drawn.frames,
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables: (text) => text,
      theme,
      timeZone: "utc",
    });
  return (
    <VizRepeater
      getValues={getValues}
      source={drawn}
      orientation={options.orientation}
      width={width}
      height={height}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          width={width}
          height={height}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          theme={theme}
        />
      )}
    />
  );
}

function Table({ drawn, width, height }: ShownProps) {
  const { options, fieldConfig } = drawn.panel;
  return (
    <TableNG
      data={drawn.frames[0]}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      fieldConfig={fieldConfig}
      enableVirtualization={false}
    />
  );
}
