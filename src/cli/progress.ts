import type { Progress } from "../core/progress.ts";
import type { Sinks } from "./output.ts";

/** Milliseconds from any fixed point. */
export type Clock = () => number;

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const REDRAW_MS = 100;

/** Short steps to the tenth of a second, long ones as minutes and seconds. */
export function formatSeconds(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** `--json`: one document when a step starts, one when it ends. */
export function jsonProgress({ out }: Sinks, clock: Clock): Progress {
  const write = (value: object): void => out(`${JSON.stringify({ type: "progress", ...value })}\n`);
  return {
    note: (text) => write({ note: text }),
    step: async (title, body) => {
      write({ step: title, state: "started" });
      return await timed(
        clock,
        body,
        () => {},
        (ok, ms) => write({ step: title, state: ok ? "done" : "failed", seconds: Math.round(ms / 100) / 10 }),
      );
    },
  };
}

/** Whole lines, for logs. */
export function plainProgress({ err }: Sinks, clock: Clock): Progress {
  return {
    note: (text) => err(`${text}\n`),
    step: async (title, body) => {
      err(`… ${title}\n`);
      return await timed(
        clock,
        body,
        () => {},
        (ok, ms) => err(ending(title, ok, ms)),
      );
    },
  };
}

/** One live line with the time and what is going on now; a finished step leaves its line above. */
export function liveProgress({ err, columns }: Sinks, clock: Clock): Progress {
  const running = new Map<object, { readonly title: string; readonly since: number; text: string }>();
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  const erase = "\r\x1b[K";
  const draw = (): void => {
    const step = [...running.values()].at(-1);
    if (!step) return;
    const head = `${FRAMES[frame++ % FRAMES.length]} ${step.title}  ${formatSeconds(clock() - step.since)}`;
    // eslint-disable-next-line no-control-regex -- a program's own colours and returns would break the line
    const text = step.text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
    const line =
      text && head.length + text.length + 2 > columns() - 1
        ? `${head}  ${text}`.slice(0, columns() - 2) + "…"
        : `${head}  ${text}`;
    err(erase + line.slice(0, Math.max(0, columns() - 1)));
  };
  return {
    note: (text) => {
      err(`${running.size > 0 ? erase : ""}${text}\n`);
      draw();
    },
    step: async (title, body) => {
      const step = { title, since: clock(), text: "" };
      running.set(step, step);
      timer ??= setInterval(draw, REDRAW_MS);
      draw();
      return await timed(
        clock,
        body,
        (text) => {
          step.text = text;
        },
        (ok, ms) => {
          running.delete(step);
          if (running.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
          err(erase + ending(title, ok, ms));
          draw();
        },
      );
    },
  };
}

const ending = (title: string, ok: boolean, ms: number): string => `${ok ? "✓" : "✗"} ${title}  ${formatSeconds(ms)}\n`;

async function timed<T>(
  clock: Clock,
  body: (note: (text: string) => void) => Promise<T>,
  note: (text: string) => void,
  end: (ok: boolean, ms: number) => void,
): Promise<T> {
  const since = clock();
  let ok = false;
  try {
    const result = await body(note);
    ok = true;
    return result;
  } finally {
    end(ok, clock() - since);
  }
}
