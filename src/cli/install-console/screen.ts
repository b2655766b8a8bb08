/**
 * The installer on a console: what happens goes in, what is shown and done comes out. Plain lines, no colours, nothing that moves the cursor: it is the
 * same on a screen, on a serial line and in a log. docs/concepts/install.md
 */
import type { AutomaticStatus } from "../../agent/install/wanted.ts";
import type { ErrorDocument } from "../../core/error.ts";
import { formatSize } from "../../core/units.ts";
import { API_PORT } from "../../layout/api-places.ts";
import { describeTarget, type FlashTarget } from "../../layout/flash-target.ts";
import type { InstallDisk, InstallNews, InstallPlan, InstallRequest } from "../../layout/install.ts";
import { formatSeconds } from "../progress.ts";
import { COLUMNS, cut, plain, wrap } from "./text.ts";

/** What the console knows; it is made by {@link newConsole} and changed by {@link consoleStep}. */
export interface ConsoleState {
  readonly image: { readonly name: string; readonly version: string };
  readonly view: View;
  readonly disks: readonly InstallDisk[];
  readonly automatic: AutomaticStatus;
}
type View =
  /** The disks are being looked at, or the one that was chosen. */
  | { readonly is: "looking" }
  | { readonly is: "list" }
  | { readonly is: "confirm"; readonly plan: InstallPlan }
  /** `own`: it was begun here. `asked`: whether to stop it. `touched`: the disk is no longer as it was. */
  | { readonly is: "working"; readonly own: boolean; readonly asked: boolean; readonly touched: boolean }
  /** `seconds` until the restart; nothing where the machine goes on running, or somebody else restarts it. */
  | { readonly is: "done"; readonly seconds?: number }
  /** The machine goes down. */
  | { readonly is: "leaving" };

export type ConsoleEvent =
  | { readonly is: "disks"; readonly disks: readonly InstallDisk[] }
  | { readonly is: "automatic"; readonly status: AutomaticStatus }
  | { readonly is: "plan"; readonly plan: InstallPlan }
  /** Somebody else has begun. */
  | { readonly is: "begun" }
  /** `rate`: share, speed and time left. */
  | { readonly is: "news"; readonly news: InstallNews; readonly rate?: string }
  /** What was asked for came to nothing. */
  | { readonly is: "error"; readonly error: ErrorDocument }
  | { readonly is: "line"; readonly text: string }
  | { readonly is: "interrupt" }
  | { readonly is: "second" };

export type ConsoleEffect =
  /** Lines, each of at most 79 columns. */
  | { readonly do: "print"; readonly lines: readonly string[] }
  /** A line that replaces the one before it, where that can be done. */
  | { readonly do: "progress"; readonly line: string; readonly percent: number }
  | { readonly do: "prompt" }
  | { readonly do: "look" }
  | { readonly do: "follow" }
  | { readonly do: "stop" }
  | { readonly do: "power"; readonly how: "restart" | "power-off" }
  | { readonly do: "plan"; readonly device: string }
  | { readonly do: "install"; readonly request: InstallRequest };

export interface ConsoleTurn {
  readonly state: ConsoleState;
  readonly effects: readonly ConsoleEffect[];
}

const RESTART_SECONDS = 10;
const RULE = "-".repeat(COLUMNS - 1);
/** Of what is to be lost; more is counted. */
const SHOWN = 10;
const OVER_THE_NETWORK = `It waits for its owner at port ${API_PORT}, too: petrify apply-config --insecure installs it from elsewhere. Its key is`;
const KEYS = "Type a number to install there, r to look again, p to power off, b to restart.";

/** @param key fingerprint of the machine's key, where it waits for an owner */
export function newConsole(image: ConsoleState["image"], key?: string): ConsoleTurn {
  const known = { name: plain(image.name), version: plain(image.version) };
  const lines = [
    RULE,
    `Installer: ${known.name} ${known.version}`,
    RULE,
    ...wrap(
      `This machine runs ${known.name} ${known.version} from memory. It can be installed to a disk here; what is on that disk is lost.`,
    ),
    "",
    ...(key === undefined ? [] : [...wrap(OVER_THE_NETWORK), "", `  ${plain(key)}`, ""]),
  ];
  return {
    state: { image: known, view: { is: "looking" }, disks: [], automatic: { is: "none" } },
    effects: [print(...lines), { do: "look" }],
  };
}

export function consoleStep(state: ConsoleState, event: ConsoleEvent): ConsoleTurn {
  switch (event.is) {
    case "disks":
      return state.view.is === "looking" ? showList({ ...state, disks: event.disks }) : stay({ ...state, disks: event.disks });
    case "automatic":
      return automaticStep(state, event.status);
    case "plan":
      return state.view.is === "looking" ? showPlan(state, event.plan) : stay(state);
    case "begun":
      if (state.view.is === "working" || state.view.is === "leaving") return stay(state);
      return turn(working(state, false), print("", "An installation is under way: this console shows it."), { do: "follow" });
    case "news":
      return newsStep(state, event.news, event.rate);
    case "error":
      return errorStep(state, event.error);
    case "line":
      return lineStep(state, event.text);
    case "interrupt":
      return interruptStep(state);
    case "second":
      return secondStep(state);
  }
}

const turn = (state: ConsoleState, ...effects: readonly ConsoleEffect[]): ConsoleTurn => ({ state, effects });
const stay = (state: ConsoleState): ConsoleTurn => turn(state);
const print = (...lines: readonly string[]): ConsoleEffect => ({ do: "print", lines });
const prompt: ConsoleEffect = { do: "prompt" };
const working = (state: ConsoleState, own: boolean): ConsoleState => ({
  ...state,
  view: { is: "working", own, asked: false, touched: false },
});
const look = (state: ConsoleState, ...lines: readonly string[]): ConsoleTurn =>
  turn({ ...state, view: { is: "looking" } }, ...(lines.length > 0 ? [print(...lines)] : []), { do: "look" });

/** Data is no reason: it is lost with the person's own word. */
const reasonAgainst = ({ refusals }: InstallDisk): string | undefined =>
  refusals.find(({ code }) => code !== "DEVICE_HOLDS_DATA")?.message;

function showList(state: ConsoleState): ConsoleTurn {
  const { disks, automatic } = state;
  const lines =
    disks.length === 0
      ? ["There is no disk in this machine.", ""]
      : ["Disks:", "", ...disks.flatMap((disk, index) => [...diskLines(disk, index + 1), ""])];
  const own = automaticLines(automatic);
  const keys = disks.some((disk) => reasonAgainst(disk) === undefined) ? KEYS : KEYS.replace("a number to install there, ", "");
  return turn({ ...state, view: { is: "list" } }, print(...lines, ...(own.length > 0 ? [...own, ""] : []), keys), prompt);
}

function diskLines(disk: InstallDisk, number: number): string[] {
  const { target } = disk;
  const against = reasonAgainst(disk);
  const mark = against === undefined ? String(number).padStart(3) : "  -";
  const what = against === undefined ? contentText(disk) : `cannot be taken: ${against}`;
  return [cut(`${mark}  ${plain(describeTarget(target))}`, COLUMNS - 1), cut(`     ${plain(what)}`, COLUMNS - 1)];
}

function contentText({ target: { found }, installedFrom }: InstallDisk): string {
  if (found.length === 0) return "blank";
  return `holds ${installedFrom === undefined ? "data" : "an installation"}: ${found.join("; ")}`;
}

const HOW = { waiting: "Waiting to install by itself", stopped: "Not installed by itself", installed: "Done by itself" } as const;

function automaticLines(status: AutomaticStatus): string[] {
  if (status.is === "none" || status.is === "installing") return [];
  const hint = "hint" in status && status.hint !== undefined ? wrap(status.hint, "  ", "  ") : [];
  return [...`${HOW[status.is]}: ${status.text}`.split("\n").flatMap((line) => wrap(line, "  ")), ...hint];
}

function automaticStep(state: ConsoleState, status: AutomaticStatus): ConsoleTurn {
  const before = automaticLines(state.automatic).join("\n");
  const next = { ...state, automatic: status };
  const lines = automaticLines(status);
  if (state.view.is !== "list" || lines.length === 0 || lines.join("\n") === before) return stay(next);
  return turn(next, print("", ...lines), prompt);
}

function showPlan(state: ConsoleState, plan: InstallPlan): ConsoleTurn {
  const { target } = plan.disk;
  const { found } = target;
  const more = found.length - SHOWN;
  const lost = [...found.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
  const image = `${plain(plan.image.name)} ${plain(plan.image.version)}`;
  const lines = [
    RULE,
    ...wrap(`${image} is going to be installed on`),
    ...wrap(describeTarget(target), "    ", "  "),
    "",
    ...(lost.length === 0
      ? ["The disk is blank: nothing is lost."]
      : ["This is going to be lost:", ...lost.flatMap((one) => wrap(one, "    ", "  "))]),
    "",
    ...wrap(
      `Two slots of ${formatSize(plan.slotSize)} each; the disk has to have ${formatSize(plan.needed)}, and all of it is used.`,
    ),
    `Type ${nameOf(target)} to go on, or just Enter to go back.`,
  ];
  return turn({ ...state, view: { is: "confirm", plan } }, print(...lines), prompt);
}

const nameOf = ({ path }: Pick<FlashTarget, "path">): string => plain(path.slice(path.lastIndexOf("/") + 1));

function newsStep(state: ConsoleState, news: InstallNews, rate: string | undefined): ConsoleTurn {
  const { view } = state;
  if (view.is !== "working") return stay(state);
  if ("plan" in news) {
    const { disk, image } = news.plan;
    const text = `Installing ${image.name} ${image.version} to ${describeTarget(disk.target)}`;
    return turn(state, print("", ...wrap(text, "  ")));
  }
  if ("phase" in news) {
    const next = { ...state, view: { ...view, touched: view.touched || news.phase !== "checking" } };
    if (view.asked) return stay(next);
    const percent = news.total === 0 ? 100 : Math.floor((news.done / news.total) * 100);
    const line = news.phase === "finishing" ? news.phase : `${news.phase}  ${rate ?? `${percent} %`}`;
    return turn(next, { do: "progress", line: cut(plain(line), COLUMNS - 1), percent });
  }
  const { disk, name, version, fingerprint, seconds, after } = news.installed;
  const time = formatSeconds(seconds * 1000).replace(".0", "");
  const lines = [
    "",
    RULE,
    ...wrap(`${name} ${version} is installed on ${disk}, in ${time}.`),
    "",
    "Fingerprint of the new machine:",
    ...wrap(fingerprint, "  ", "  "),
    "",
  ];
  if (!view.own) {
    const next = {
      reboot: "The machine restarts.",
      poweroff: "The machine is powered off.",
      stay: "Then restart the machine.",
    };
    return turn({ ...state, view: { is: "done" } }, print(...lines, ...wrap(`Remove the medium. ${next[after]}`)));
  }
  return turn(
    { ...state, view: { is: "done", seconds: RESTART_SECONDS } },
    print(
      ...lines,
      "Remove the medium now.",
      `The machine restarts in ${RESTART_SECONDS} s. Enter: at once. p: power off. s: stay here.`,
    ),
    prompt,
  );
}

function errorStep(state: ConsoleState, { message, hint }: ErrorDocument): ConsoleTurn {
  const lines = ["", ...message.split("\n").flatMap((line) => wrap(`error: ${line}`, "  "))];
  if (hint !== undefined) lines.push(...wrap(`hint: ${hint}`, "  "));
  if (state.view.is === "working" && state.view.touched)
    lines.push("", "Nothing boots from that disk. It is safe to install again.");
  if (state.view.is === "done" || state.view.is === "leaving") return turn(state, print(...lines));
  return turn({ ...state, view: { is: "list" } }, print(...lines, "", "Press Enter to see the disks again."), prompt);
}

function lineStep(state: ConsoleState, typed: string): ConsoleTurn {
  const { view } = state;
  const text = plain(typed).trim();
  switch (view.is) {
    case "list":
      return choiceStep(state, text);
    case "confirm": {
      const { target } = view.plan.disk;
      const name = nameOf(target);
      if (text !== name) return look(state, "", text === "" ? "Nothing was done." : `That is not ${name}: nothing was done.`, "");
      const request: InstallRequest = { device: target.path, wipe: true, after: "stay" };
      return turn(working(state, true), { do: "install", request });
    }
    case "working":
      if (!view.asked) return stay(state);
      if (text === "stop")
        return turn({ ...state, view: { ...view, asked: false } }, print("It is being stopped."), { do: "stop" });
      return turn({ ...state, view: { ...view, asked: false } }, print("It goes on."));
    case "done":
      if (view.seconds === undefined && text === "") return look(state);
      if (text === "s") return turn({ ...state, view: { is: "done" } }, print("It stays. Enter shows the disks again."), prompt);
      return leave(state, text === "p" ? "power-off" : "restart");
    case "looking":
    case "leaving":
      return stay(state);
  }
}

function choiceStep(state: ConsoleState, text: string): ConsoleTurn {
  if (text === "" || text === "r") return look(state, "");
  if (text === "p") return leave(state, "power-off");
  if (text === "b") return leave(state, "restart");
  const disk = /^\d{1,3}$/.test(text) ? state.disks[Number(text) - 1] : undefined;
  const against = disk && reasonAgainst(disk);
  if (!disk) return turn(state, print(...wrap(`There is no ${JSON.stringify(text)} in the list.`), KEYS), prompt);
  if (against !== undefined) return turn(state, print(...wrap(`That disk cannot be taken: ${against}.`, "  ")), prompt);
  return turn({ ...state, view: { is: "looking" } }, { do: "plan", device: disk.target.path });
}

const leave = (state: ConsoleState, how: "restart" | "power-off"): ConsoleTurn =>
  turn(
    { ...state, view: { is: "leaving" } },
    print(how === "restart" ? "The machine restarts." : "The machine is powered off."),
    { do: "power", how },
  );

function interruptStep(state: ConsoleState): ConsoleTurn {
  const { view } = state;
  if (view.is === "working") {
    if (!view.own) return turn(state, print("", "It was not begun here: it goes on."));
    const question = "Stop the installation? The disk would boot nothing. Type stop, or just Enter to go on.";
    return turn({ ...state, view: { ...view, asked: true } }, print("", ...wrap(question)), prompt);
  }
  if (view.is === "confirm") return look(state, "", "Nothing was done.", "");
  if (view.is === "done" && view.seconds !== undefined) return lineStep(state, "s");
  return view.is === "list" ? turn(state, print("", KEYS), prompt) : stay(state);
}

function secondStep(state: ConsoleState): ConsoleTurn {
  const { view } = state;
  if (view.is !== "done" || view.seconds === undefined) return stay(state);
  const seconds = view.seconds - 1;
  return seconds > 0 ? stay({ ...state, view: { ...view, seconds } }) : leave(state, "restart");
}
