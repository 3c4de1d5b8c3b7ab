import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { useTongue } from "../i18n";
import type { Finding } from "../types";
import { Id, Shown } from "./text";

/* Lines behind the text: the same letters in the same places, so that a mark stands under what it means. */
function Marks({ code, findings }: { code: string; findings: Finding[] }): JSX.Element {
  const worst = new Map<number, Finding>();
  for (const f of findings) if (!worst.has(f.line) || rank(f) > rank(worst.get(f.line) as Finding)) worst.set(f.line, f);
  return (
    <div class="marks" aria-hidden="true">
      {code.split("\n").map((line, i) => {
        const f = worst.get(i + 1);
        if (!f) return <div key={i}>{line || " "}</div>;
        const letters = Array.from(line);
        const from = Math.min(Math.max(f.column - 1, 0), Math.max(letters.length - 1, 0));
        return (
          <div key={i} class={`marked mark-${f.severity}`} data-line={f.line}>
            {letters.slice(0, from).join("")}<mark>{letters.slice(from).join("") || " "}</mark>
          </div>
        );
      })}
    </div>
  );
}

const severities = ["none", "low", "medium", "high", "critical"];
const rank = (f: Finding): number => severities.indexOf(f.severity);

/** Where a finding stands in the text: lines and columns count from 1, columns in characters. */
export function offsetOf(code: string, line: number, column: number): number {
  const lines = code.split("\n");
  const before = lines.slice(0, Math.max(0, line - 1)).reduce((n, l) => n + l.length + 1, 0);
  const inLine = Array.from(lines[line - 1] ?? "").slice(0, Math.max(0, column - 1)).join("").length;
  return Math.min(before + inLine, code.length);
}

/** A text field for a program in which what the scanner found is marked; each finding leads to its place. */
export function Editor({ id, code, findings, on, onRun }: {
  id: string; code: string; findings: Finding[]; on: (code: string) => void; onRun: () => void;
}): JSX.Element {
  const { t, word } = useTongue();
  const box = useRef<HTMLTextAreaElement>(null);
  const show = (f: Finding): void => {
    const at = offsetOf(code, f.line, f.column);
    const end = code.indexOf("\n", at);
    box.current?.focus();
    box.current?.setSelectionRange(at, end < 0 ? code.length : end);
  };
  return (
    <div class="editor">
      <div class="editor-box" dir="ltr">
        <Marks code={code} findings={findings} />
        <textarea id={id} ref={box} class="code-input" dir="ltr" rows={Math.min(40, Math.max(10, code.split("\n").length + 1))} spellcheck={false}
          autocapitalize="off" wrap="off" value={code} onInput={(e) => on(e.currentTarget.value)}
          onScroll={(e) => { const m = e.currentTarget.previousElementSibling; if (m) m.scrollTo(e.currentTarget.scrollLeft, e.currentTarget.scrollTop); }}
          onKeyDown={(e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); onRun(); } }} />
      </div>
      {findings.length > 0 && (
        <ul class="found" aria-label={t("box.scanner")}>
          {findings.map((f, i) => (
            <li key={i}><button type="button" class="quiet" onClick={() => show(f)}>
              <span class={`risk risk-${f.severity}`}>{word("risk", f.severity)}</span>{" "}
              <span class="meta">{t("box.line", { line: f.line, column: f.column })} · <Id text={f.rule} /></span>{" "}
              <bdi dir="auto"><Shown text={f.message} /></bdi></button></li>
          ))}
        </ul>
      )}
    </div>
  );
}
