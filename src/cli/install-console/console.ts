/** Drives the installer of a console: keys, the agent and the clock on one side, the terminal on the other. */
import type { AutomaticReport } from "../../agent/install/automatic.ts";
import type { AgentStatus } from "../../agent/status.ts";
import { AppError, errorDocument } from "../../core/error.ts";
import {
  INSTALL_CALLS,
  type InstallDisk,
  type InstallNews,
  type InstallPlan,
  type InstallRequest,
} from "../../layout/install.ts";
import type { Clock } from "../progress.ts";
import { rateMeter, rateText } from "../rate.ts";
import { lineEditor } from "./line-editor.ts";
import { consoleStep, newConsole, type ConsoleEffect, type ConsoleEvent } from "./screen.ts";

export interface ConsolePorts {
  /** Asks the agent: a call such as `GET /status`. @throws AppError */
  readonly ask: (call: string, signal: AbortSignal, body?: object) => AsyncIterable<unknown>;
  readonly write: (text: string) => void;
  /** Calls back with what is typed, as it comes. @param isRaw whether nothing else shows it */
  readonly keys: (onTyped: (text: string) => void) => { readonly isRaw: boolean } & Disposable;
  /** A line can be written over. */
  readonly isLive: boolean;
  /** The machine config that came with the medium, for the new disk. */
  readonly config: () => Promise<string | undefined>;
  readonly power: (how: "restart" | "power-off") => Promise<void>;
  readonly clock: Clock;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

const POLL_MS = 2000;
const SECOND_MS = 1000;
/** Between two lines of progress: a serial line is slow, and its log is kept. */
const TELL_MS = 1000;
/** Speed and time left are told from then on. */
const KNOWN_MS = 3000;

/** Runs until the machine goes down, or the signal is aborted. */
export async function runConsole(ports: ConsolePorts): Promise<void> {
  const { signal } = ports;
  const screen = openScreen(ports);
  const { image, fingerprint } = await statusOf(ports, screen);
  const events = eventQueue(signal);
  const editor = lineEditor();
  using keys = ports.keys((text) => {
    for (const one of editor.type(text)) {
      if ("echo" in one) screen.echo(one.echo, keys.isRaw);
      else events.push("line" in one ? { is: "line", text: one.line } : { is: "interrupt" });
    }
  });
  let installing: AbortController | undefined;

  const report = (error: unknown): void => void (signal.aborted || events.push({ is: "error", error: errorDocument(error) }));
  const later = (work: () => Promise<void>): void => void work().catch(report);
  const follow = async (stream: AsyncIterable<unknown>): Promise<void> => {
    let meter: { readonly phase: string; readonly rate: ReturnType<typeof rateMeter>; readonly since: number } | undefined;
    let told = Number.NEGATIVE_INFINITY;
    let isDone = false;
    for await (const value of stream) {
      const news = value as InstallNews;
      isDone ||= "installed" in news;
      if (!("phase" in news)) {
        events.push({ is: "news", news });
        continue;
      }
      const now = ports.clock();
      if (meter?.phase !== news.phase) {
        meter = { phase: news.phase, rate: rateMeter(ports.clock), since: now };
        told = Number.NEGATIVE_INFINITY;
      }
      if (now - told < TELL_MS && news.done < news.total) continue;
      told = now;
      // From the first moments of a phase nothing can be told.
      const isKnown = now - meter.since >= KNOWN_MS;
      events.push({ is: "news", news, ...(isKnown ? { rate: rateText(meter.rate(news.done, news.total)) } : {}) });
    }
    if (!isDone) throw new AppError("INSTALL_FAILED", "the installation ended without a word");
  };
  const install = async (request: InstallRequest): Promise<void> => {
    const config = await ports.config();
    const stop = new AbortController();
    installing = stop;
    try {
      const body = { ...request, ...(config === undefined ? {} : { config }) };
      await follow(ports.ask(INSTALL_CALLS.install, AbortSignal.any([signal, stop.signal]), body));
    } catch (error) {
      if (!stop.signal.aborted || signal.aborted) throw error;
      // Stopped is it once the agent says so; and it may have been too late for that.
      await follow(withoutPlan(ports.ask(INSTALL_CALLS.follow, signal)));
    } finally {
      installing = undefined;
    }
  };
  const perform = (effect: ConsoleEffect): void => {
    switch (effect.do) {
      case "print":
        return screen.print(effect.lines);
      case "progress":
        return screen.progress(effect.line, effect.percent);
      case "prompt":
        return screen.prompt(editor.typed());
      case "look":
        return later(async () => {
          const { disks } = await first<{ disks: readonly InstallDisk[] }>(ports.ask(INSTALL_CALLS.disks, signal));
          events.push({ is: "disks", disks });
        });
      case "plan":
        return later(async () => {
          const body = { device: effect.device, wipe: true };
          events.push({ is: "plan", plan: await first<InstallPlan>(ports.ask(INSTALL_CALLS.plan, signal, body)) });
        });
      case "install":
        return later(async () => await install(effect.request));
      case "follow":
        return later(async () => await follow(ports.ask(INSTALL_CALLS.follow, signal)));
      case "stop":
        return installing?.abort();
      case "power":
        return later(async () => await ports.power(effect.how));
    }
  };

  const poll = async (): Promise<void> => {
    for (;;) {
      const answer = await first<AutomaticReport>(ports.ask(INSTALL_CALLS.automatic, signal)).catch(() => undefined);
      if (answer) {
        events.push({ is: "automatic", status: answer.status });
        if (answer.isUnderWay && !installing) events.push({ is: "begun" });
      }
      await ports.wait(POLL_MS, signal);
    }
  };
  const count = async (): Promise<void> => {
    for (;;) {
      await ports.wait(SECOND_MS, signal);
      events.push({ is: "second" });
    }
  };
  later(poll);
  later(count);

  let { state, effects } = newConsole(image, fingerprint);
  effects.forEach(perform);
  for (;;) {
    ({ state, effects } = consoleStep(state, await events.next()));
    effects.forEach(perform);
  }
}

/** What it is was shown when it began. */
async function* withoutPlan(news: AsyncIterable<unknown>): AsyncGenerator {
  for await (const one of news) if (!("plan" in (one as InstallNews))) yield one;
}

/** The agent may be later than the console. @throws AppError `NOT_AN_INSTALLER` */
async function statusOf({ ask, wait, signal }: ConsolePorts, screen: Screen): Promise<AgentStatus> {
  for (let tries = 0; ; tries++) {
    try {
      const status = await first<AgentStatus>(ask("GET /status", signal));
      if (status.running === "ram") return status;
      throw new AppError("NOT_AN_INSTALLER", "this system runs from a disk", {
        hint: "Start the machine from an install medium.",
      });
    } catch (error) {
      if (!(error instanceof AppError && error.code === "AGENT_UNREACHABLE")) throw error;
      if (tries === 0) screen.print(["The machine is starting."]);
      await wait(SECOND_MS, signal);
    }
  }
}

async function first<T>(answers: AsyncIterable<unknown>): Promise<T> {
  for await (const answer of answers) return answer as T;
  throw new Error("the agent has no answer");
}

interface Screen {
  readonly print: (lines: readonly string[]) => void;
  readonly progress: (line: string, percent: number) => void;
  readonly prompt: (typed: string) => void;
  readonly echo: (text: string, isRaw: boolean) => void;
}

/** Keeps lines whole, whatever comes while something is typed or a progress is shown. */
function openScreen({ write, isLive }: Pick<ConsolePorts, "write" | "isLive">): Screen {
  let isWithinLine = false;
  let isAsking = false;
  let told = "";
  let shown = 0;
  const newLine = (): void => {
    if (isWithinLine) write("\n");
    isWithinLine = false;
  };
  return {
    print: (lines) => {
      newLine();
      isAsking = false;
      write(lines.map((line) => `${line}\n`).join(""));
    },
    progress: (line, percent) => {
      isAsking = false;
      if (isLive) {
        if (!isWithinLine) write("\n");
        // No longer than it has to be: what somebody else writes then goes on behind it.
        write(`\r${line.padEnd(isWithinLine ? shown : 0)}`);
        shown = line.length;
        isWithinLine = true;
        return;
      }
      const step = `${line.split(" ")[0]} ${Math.floor(percent / 10)}`;
      if (step !== told) write(`${line}\n`);
      told = step;
    },
    prompt: (typed) => {
      newLine();
      write(`> ${typed}`);
      isWithinLine = isAsking = true;
    },
    echo: (text, isRaw) => {
      if (!isAsking) return;
      if (isRaw) write(text);
      if (text.includes("\n")) isWithinLine = false;
    },
  };
}

/** Events in the order in which they come. */
function eventQueue(signal: AbortSignal): {
  readonly push: (event: ConsoleEvent) => void;
  readonly next: () => Promise<ConsoleEvent>;
} {
  const waiting: ConsoleEvent[] = [];
  let wake: (() => void) | undefined;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  return {
    push: (event) => {
      waiting.push(event);
      wake?.();
    },
    next: async () => {
      while (waiting.length === 0) {
        signal.throwIfAborted();
        await new Promise<void>((resolve) => void (wake = resolve));
      }
      return waiting.shift()!;
    },
  };
}
