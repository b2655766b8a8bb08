import type { ScreenSize } from "./dashboard-view.ts";

/** A terminal that is drawn on as a whole. */
export interface Screen extends Disposable {
  /** Soon, and once, however often it is asked for meanwhile. */
  readonly draw: () => void;
}

/** Milliseconds: what changes oftener than that nobody sees. */
const SOON_MS = 50;
/** Another page, and no cursor; and back. Source: xterm, "XTerm Control Sequences", private modes 1049 and 25 */
const BEGIN = "\u001b[?1049h\u001b[?25l";
const END = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const REST_OF_LINE = "\u001b[K";
const REST = "\u001b[J";

type Terminal = Pick<NodeJS.WriteStream, "columns" | "rows" | "write" | "on" | "off">;

/**
 * Takes over a terminal; what was on it is there again when the scope ends.
 *
 * @param lines of a size; none wider than it, and not more than it has rows
 */
export function openScreen(terminal: Terminal, lines: (size: ScreenSize) => readonly string[]): Screen {
  let timer: NodeJS.Timeout | undefined;
  const paint = (): void => {
    timer = undefined;
    const size = { columns: terminal.columns || 80, rows: terminal.rows || 24 };
    terminal.write(
      `${HOME}${lines(size)
        .map((line) => `${line}${REST_OF_LINE}`)
        .join("\r\n")}${REST}`,
    );
  };
  const draw = (): void => {
    timer ??= setTimeout(paint, SOON_MS);
  };
  terminal.write(BEGIN);
  terminal.on("resize", draw);
  draw();
  return {
    draw,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      terminal.off("resize", draw);
      terminal.write(END);
    },
  };
}
