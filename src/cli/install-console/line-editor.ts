/** What a key does to a line that is typed, where the terminal itself does nothing. */
export type Typed = { readonly echo: string } | { readonly line: string } | { readonly interrupt: true };

/** A name or a number; more is not taken. */
const MAX_LENGTH = 64;
const ENTER = /[\r\n]/;
const ERASE = /[\u007f\b]/;
const CTRL_C = "\u0003";
const CTRL_U = "\u0015";
const ESCAPE = "\u001b";

export interface LineEditor {
  /** Text as the terminal sends it; a sequence may come in pieces. */
  readonly type: (text: string) => Typed[];
  /** What has been typed of the present line. */
  readonly typed: () => string;
}

/** Keys that are no letters (arrows, function keys) do nothing, and so does everything that is not ASCII. Source: ECMA-48, 5.4 */
export function lineEditor(): LineEditor {
  let line = "";
  let sequence: "none" | "escape" | "control" = "none";
  let last = "";
  const key = (char: string): Typed[] => {
    const before = last;
    last = char;
    if (sequence === "escape") {
      sequence = char === "[" || char === "O" ? "control" : "none";
      return [];
    }
    if (sequence === "control") {
      if (char >= "@" && char <= "~") sequence = "none";
      return [];
    }
    if (char === ESCAPE) {
      sequence = "escape";
      return [];
    }
    if (char === "\n" && before === "\r") return []; // one key, for some terminals
    if (ENTER.test(char)) {
      const whole = line.trim();
      line = "";
      return [{ echo: "\n" }, { line: whole }];
    }
    if (char === CTRL_C) {
      line = "";
      return [{ interrupt: true }];
    }
    if (ERASE.test(char) || char === CTRL_U) {
      const gone = char === CTRL_U ? line.length : Math.min(1, line.length);
      line = line.slice(0, line.length - gone);
      return gone > 0 ? [{ echo: "\b \b".repeat(gone) }] : [];
    }
    if (char < " " || char > "~" || line.length >= MAX_LENGTH) return [];
    line += char;
    return [{ echo: char }];
  };
  return { type: (text) => Array.from(text).flatMap(key), typed: () => line };
}
