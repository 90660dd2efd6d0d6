// The whole dashboard: its title, its variables, its panels where they stand.
import { PanelChrome, useTheme2 } from "@grafana/ui";
import { Component, type ReactNode } from "react";
import type { Mark } from "./annotations";
import type { Drawn, Model, Scope } from "./model";
import { Shown } from "./shown";

// Grafana's own measures, in pixels.
const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
/** Below this width Grafana puts panels under each other. */
const NARROW = 769;

interface Props {
  model: Model;
  scope: Scope;
  panels: Drawn[];
  marks: Mark[];
  width: number;
}

export function Board({ model, scope, panels, marks, width }: Props) {
  const theme = useTheme2();
  const inner = width - 2 * GAP;
  const muted = { color: theme.colors.text.secondary };
  return (
    <main style={{ padding: GAP, background: theme.colors.background.canvas, color: theme.colors.text.primary }}>
      <header style={{ display: "flex", flexWrap: "wrap", gap: 24, padding: "8px 4px 16px" }}>
        <strong>{model.title}</strong>
        {scope.shown.map(({ label, value, choices }) => (
          <span key={label} style={muted}>
            {label}: {value} <small>({choices})</small>
          </span>
        ))}
      </header>
      <Grid panels={panels} marks={marks} scope={scope} width={inner} />
    </main>
  );
}

function Grid({ panels, marks, scope, width }: Omit<Props, "model">) {
  let below = 0;
  const placed = panels.map((drawn) => {
    const { x, y, w, h } = drawn.panel.gridPos;
    const tall = h * CELL + (h - 1) * GAP;
    if (width >= NARROW) {
      const column = (width + GAP) / COLUMNS;
      return { drawn, left: x * column, top: y * (CELL + GAP), wide: w * column - GAP, tall };
    }
    const top = below;
    below += tall + GAP;
    return { drawn, left: 0, top, wide: width, tall };
  });
  const end = Math.max(...placed.map(({ top, tall }) => top + tall));
  return (
    <div style={{ position: "relative", height: end }}>
      {placed.map(({ drawn, left, top, wide, tall }) => (
        <div key={drawn.panel.id} style={{ position: "absolute", left, top, width: wide, height: tall }}>
          {drawn.panel.type === "row" ? (
            <h5 style={{ margin: 0, lineHeight: `${CELL}px` }}>{drawn.panel.title}</h5>
          ) : (
            <One drawn={drawn} marks={marks} scope={scope} width={wide} height={tall} />
          )}
        </div>
      ))}
    </div>
  );
}

function One({ drawn, marks, scope, width, height }: { drawn: Drawn; marks: Mark[]; scope: Scope; width: number; height: number }) {
  const { panel, answered } = drawn;
  const error = answered.find((one) => one.error)?.error;
  const state = error ? "error" : answered.some(({ series }) => series) ? "data" : "nodata";
  return (
    <section data-panel={panel.title} data-type={panel.type} data-state={state} data-error={error}>
      <PanelChrome title={panel.title} description={panel.description} width={width} height={height} statusMessage={error}>
        {(innerWidth, innerHeight) => (
          <Fence title={panel.title}>
            <Shown drawn={drawn} marks={marks} scope={scope} width={innerWidth} height={innerHeight} />
          </Fence>
        )}
      </PanelChrome>
    </section>
  );
}

/** A panel that cannot be drawn says so, and keeps no other from it. */
class Fence extends Component<{ title: string; children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    return error ? <pre data-broken={this.props.title}>{String(error)}</pre> : this.props.children;
  }
}
