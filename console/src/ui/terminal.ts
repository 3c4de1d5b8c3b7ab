/*
 * What a terminal would show of a program's output, as far as lines go: escape sequences are left out, a carriage return
 * begins the line anew, a backspace takes one character back. Programs that draw a whole screen need a real terminal.
 */
// eslint-disable-next-line no-control-regex
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|[()*+][0-9A-Za-z]|[ -/]*[0-Z\\^-~])/g;
// eslint-disable-next-line no-control-regex
const unfinished = /\u001b(?:\[[0-?]*[ -/]*)?$/;

function line(text: string): string {
  const out: string[] = [];
  let at = 0;
  for (const c of text) {
    if (c === "\r") at = 0;
    else if (c === "\b") at = Math.max(0, at - 1);
    else if (c !== "\u0007") out[at++] = c;
  }
  return out.join("");
}

export const plain = (text: string): string => text.replace(escapes, "").replace(unfinished, "").split("\n").map((l) => line(l.replace(/\r+$/, ""))).join("\n");
