import type { ComponentChildren, JSX } from "preact";
import { useTongue } from "../i18n";

/*
 * Text of others: of users, documents, models, programs. It is never HTML, its direction is its own, and characters that
 * are there to deceive the eye are shown: bidirectional controls, other invisible formatting, control characters.
 * The joiners U+200C and U+200D stay, as Persian and emoji need them.
 */
// eslint-disable-next-line no-control-regex
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export const codeName = (c: string): string => `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The text with what is invisible made visible. */
export function Shown({ text }: { text: string }): JSX.Element {
  const { t } = useTongue();
  const out: ComponentChildren[] = [];
  let from = 0;
  for (const m of text.matchAll(hidden)) {
    if (m.index > from) out.push(text.slice(from, m.index));
    const name = codeName(m[0]);
    const label = t("control.shown", { name });
    out.push(<span class="control" title={label}>{name}</span>);
    from = m.index + m[0].length;
  }
  if (out.length === 0) return <>{text}</>;
  out.push(text.slice(from));
  return <>{out}</>;
}

const letter = /\p{L}/u;
/** The direction of a text: its own; the page's while there is no letter in it to tell. */
export const dirOf = (text: string): "auto" | undefined => (letter.test(text) ? "auto" : undefined);

/** A piece of text inside a line. */
export function Inline({ text, class: c }: { text: string; class?: string }): JSX.Element {
  return <bdi class={c} dir="auto"><Shown text={text} /></bdi>;
}

/** Paragraphs, each in its own direction. */
export function Paragraphs({ text, class: c, render }: {
  text: string; class?: string; render?: (line: string) => ComponentChildren;
}): JSX.Element {
  return (
    <div class={c}>
      {text.split(/\n/).map((line, i) => (
        <p key={i} dir={dirOf(line)} class="para">{line === "" ? "\u00a0" : render ? render(line) : <Shown text={line} />}</p>
      ))}
    </div>
  );
}

/** An id, a path, a name of a program: left to right, apart from the text around it. */
export function Id({ text }: { text: string }): JSX.Element {
  return <bdi class="id" dir="ltr"><Shown text={text} /></bdi>;
}

/** Code and what programs print. */
export function Code({ text, label }: { text: string; label?: string }): JSX.Element {
  return <pre class="code" dir="ltr" tabIndex={0} role="region" aria-label={label ?? "code"}><code><Shown text={text} /></code></pre>;
}
