import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useTongue } from "../i18n";
import type { Step } from "../types";
import { State } from "./basic";
import { Id } from "./text";

const nodeWidth = 190, nodeHeight = 62, gapX = 56, gapY = 18;

interface Placed { step: Step; x: number; y: number }

/** Columns by the longest way from a step that waits for nothing; rows in the order of the plan. */
export function layout(steps: Step[]): { nodes: Placed[]; edges: [Placed, Placed][]; width: number; height: number } {
  const byId = new Map(steps.map((s) => [s.id, s]));
  const columns = new Map<string, number>();
  const column = (s: Step, seen: Set<string>): number => {
    const known = columns.get(s.id);
    if (known !== undefined || seen.has(s.id)) return known ?? 0;
    seen.add(s.id);
    const before = (s.depends_on ?? []).flatMap((d) => byId.get(d) ?? []);
    const c = before.length ? 1 + Math.max(...before.map((b) => column(b, seen))) : 0;
    columns.set(s.id, c);
    return c;
  };
  const filled: number[] = [];
  const nodes = steps.map((step): Placed => {
    const c = column(step, new Set());
    const r = filled[c] ?? 0;
    filled[c] = r + 1;
    return { step, x: c * (nodeWidth + gapX), y: r * (nodeHeight + gapY) };
  });
  const placed = new Map(nodes.map((n) => [n.step.id, n]));
  const edges = nodes.flatMap((to) => (to.step.depends_on ?? []).flatMap((d): [Placed, Placed][] => {
    const from = placed.get(d);
    return from ? [[from, to]] : [];
  }));
  return { nodes, edges, width: filled.length * (nodeWidth + gapX) - gapX, height: Math.max(...filled) * (nodeHeight + gapY) - gapY };
}

/** The plan as a graph. It runs in the direction of the page: boxes stand by inset-inline-start, lines are mirrored. */
export function PlanGraph({ steps }: { steps: Step[] }): JSX.Element {
  const { t, rtl } = useTongue();
  const { nodes, edges, width, height } = useMemo(() => layout(steps), [steps]);
  return (
    <div class="graph-scroll" tabIndex={0} role="group" aria-label={t("task.plan")}>
      <div class="graph" style={{ inlineSize: `${width}px`, blockSize: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true" style={{ transform: rtl ? "scaleX(-1)" : "none" }}>
          {edges.map(([a, b]) => {
            const x1 = a.x + nodeWidth, y1 = a.y + nodeHeight / 2, x2 = b.x, y2 = b.y + nodeHeight / 2, bend = gapX / 2;
            return (
              <g key={`${a.step.id}>${b.step.id}`} class="edge">
                <path d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}`} />
                <path class="edge-head" d={`M${x2 - 6} ${y2 - 4}l6 4l-6 4z`} />
              </g>
            );
          })}
        </svg>
        {nodes.map(({ step, x, y }) => (
          <div key={step.id} class={`node state-${step.state}`} data-step={step.id}
            style={{ insetInlineStart: `${x}px`, insetBlockStart: `${y}px`, inlineSize: `${nodeWidth}px`, blockSize: `${nodeHeight}px` }}>
            <span class="node-name"><Id text={step.id} /></span>
            <span class="row between"><State state={step.state} /><span class="meta clip"><Id text={step.agent ?? step.tool ?? ""} /></span></span>
          </div>
        ))}
      </div>
    </div>
  );
}
