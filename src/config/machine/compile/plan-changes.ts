/** @portable From one compiled config to the next, on a running machine: what differs, what follows from it in which order, what only a reboot brings. */
import type { TreeEntry } from "../../../layout/compiled-config.ts";
import type { InitKind } from "../../words.ts";
import type { Compiled } from "./compile-config.ts";
import { withFiles } from "./own-steps.ts";
import { unitChanges, type UnitChanges } from "./unit-changes.ts";

type ChangeKind = "path" | "user" | "group" | "hostname" | "persistent" | "kernel-args" | "health" | "updates" | "stage" | "once";
/** Names only: contents may be secret. */
export interface Change {
  readonly kind: ChangeKind;
  readonly how: "added" | "changed" | "removed";
  readonly name: string;
}

export interface Action {
  /** Unique in a plan. */
  readonly id: string;
  readonly says: string;
  readonly what:
    /** The paths that only the old config made: what the image has there comes back, of data nothing stays. */
    | { readonly is: "remove"; readonly paths: readonly string[] }
    | { readonly is: "lay"; readonly entries: readonly TreeEntry[] }
    | { readonly is: "accounts" }
    | { readonly is: "hostname"; readonly name: string }
    | { readonly is: "run"; readonly argv: readonly [string, ...string[]] };
  /** The ids of those that have to be done before it. Each stands earlier in the plan. */
  readonly after: readonly string[];
}

/** Empty in all three for a config that is in place already. */
export interface ChangePlan {
  readonly changes: readonly Change[];
  readonly actions: readonly Action[];
  /** What is only there after a reboot, a sentence each. */
  readonly reboot: readonly string[];
}

/** What follows when a path changes. */
interface Consequence {
  readonly path: RegExp;
  readonly id: string;
  readonly says: string;
  readonly argv: Readonly<Partial<Record<InitKind, readonly [string, ...string[]]>>>;
  /** Who is asked: nobody where it stops, and where it is only started it reads everything by itself. */
  readonly of?: string;
}

const tryRestart = (...units: readonly string[]): readonly [string, ...string[]] => ["systemctl", "try-restart", ...units];
/** One that does its work and ends, so that it is not running. */
const openrc = (service: string, verb: "start" | "restart"): readonly [string, ...string[]] => [
  "rc-service",
  "--ifexists",
  service,
  verb,
];
const openrcRunning = (service: string, verb: "restart" | "reload"): readonly [string, ...string[]] => [
  "rc-service",
  "--ifexists",
  "--ifstarted",
  service,
  verb,
];

const CONSEQUENCES: readonly Consequence[] = [
  {
    ...{ path: /^\/etc\/systemd\/network\/.*\.link$/, id: "udev", says: "udev reads its rules again" },
    argv: { systemd: ["udevadm", "control", "--reload"] },
  },
  {
    ...{ path: /^\/etc\/systemd\/network\//, id: "network", says: "systemd-networkd reads its files again" },
    ...{ argv: { systemd: ["networkctl", "reload"] }, of: "systemd-networkd.service" },
  },
  {
    ...{ path: /^\/etc\/NetworkManager\//, id: "network-manager", says: "NetworkManager reads its files again" },
    ...{ argv: { systemd: ["nmcli", "connection", "reload"] }, of: "NetworkManager.service" },
  },
  {
    ...{ path: /^\/etc\/network\//, id: "networking", says: "interfaces are set up again" },
    argv: { systemd: tryRestart("networking.service"), openrc: openrcRunning("networking", "restart") },
  },
  {
    ...{ path: /^\/etc\/modules-load\.d\//, id: "modules", says: "kernel modules are loaded" },
    argv: { systemd: ["systemctl", "restart", "systemd-modules-load.service"], openrc: openrc("modules", "restart") },
  },
  // Debian's scripts have other names than OpenRC's own; this one knows no restart.
  {
    ...{ path: /^\/etc\/modules-load\.d\//, id: "kmod", says: "kernel modules are loaded, by Debian's script" },
    argv: { openrc: openrc("kmod", "start") },
  },
  {
    ...{ path: /^\/etc\/sysctl\.d\//, id: "sysctl", says: "kernel parameters are set" },
    argv: { systemd: ["systemctl", "restart", "systemd-sysctl.service"], openrc: openrc("sysctl", "restart") },
  },
  {
    ...{ path: /^\/etc\/sysctl\.d\//, id: "procps", says: "kernel parameters are set, by Debian's script" },
    argv: { openrc: openrc("procps", "restart") },
  },
  {
    ...{ path: /^\/etc\/systemd\/timesyncd\.conf\.d\//, id: "timesyncd", says: "systemd-timesyncd starts again" },
    argv: { systemd: tryRestart("systemd-timesyncd.service") },
  },
  {
    ...{ path: /^\/etc\/chrony(?:\/|\.conf$)/, id: "chrony", says: "chrony starts again" },
    // A pattern that fits nothing is no failure: one of the two names is there.
    argv: { systemd: tryRestart("chrony.servic[e]", "chronyd.servic[e]"), openrc: openrcRunning("chronyd", "restart") },
  },
  {
    ...{ path: /^\/etc\/chrony(?:\/|\.conf$)/, id: "chrony-debian", says: "chrony starts again, by Debian's script" },
    argv: { openrc: openrcRunning("chrony", "restart") },
  },
  {
    ...{ path: /^\/etc\/ssh\/sshd_config/, id: "ssh", says: "the SSH server reads its settings again" },
    argv: {
      systemd: ["systemctl", "try-reload-or-restart", "ssh.servic[e]", "sshd.servic[e]"],
      openrc: openrcRunning("sshd", "reload"),
    },
  },
  {
    ...{
      path: /^\/etc\/ssh\/sshd_config/,
      id: "ssh-debian",
      says: "the SSH server reads its settings again, by Debian's script",
    },
    argv: { openrc: openrcRunning("ssh", "reload") },
  },
  {
    ...{ path: /^\/etc\/vconsole\.conf$/, id: "vconsole", says: "the console's keys are set" },
    argv: { systemd: ["systemctl", "restart", "systemd-vconsole-setup.service"] },
  },
  {
    ...{ path: /^\/etc\/default\/keyboard$/, id: "keyboard", says: "the console's keys are set" },
    argv: { systemd: tryRestart("keyboard-setup.servic[e]") },
  },
];

/** What is read once, by a kernel or by programs as they start. */
const LATER: readonly { readonly path: RegExp; readonly how?: Change["how"]; readonly says: string }[] = [
  { path: /^\/etc\/systemd\/network\/.*\.link$/, says: "an interface keeps its name and address of hardware until then" },
  { path: /^\/etc\/modprobe\.d\//, says: "modules that are loaded keep their options until then" },
  { path: /^\/etc\/modules-load\.d\//, how: "removed", says: "modules that are loaded stay until then" },
  { path: /^\/etc\/sysctl\.d\//, how: "removed", says: "kernel parameters that are no longer set keep their value until then" },
  {
    path: /^\/etc\/(?:environment|rc\.conf|systemd\/system\.conf\.d\/.*)$/,
    says: "programs that run keep their environment until they start again",
  },
  { path: /^\/etc\/(?:ssl|pki|petrify\/ca\.pem)/, says: "programs that run keep their authorities until they start again" },
];

/** What a config with other kernel arguments waits for. */
export const NEW_KERNEL_ARGS = "the kernel has its new arguments, on trial";

/** @param before nothing where no config is in place */
export function planChanges(before: Compiled | undefined, after: Compiled): ChangePlan {
  const paths = diff(entriesOf(before), entriesOf(after));
  const changes: Change[] = [
    ...hostnameChange(before, after),
    ...diff(accountsOf(before, "users"), accountsOf(after, "users")).map(named("user")),
    ...diff(accountsOf(before, "groups"), accountsOf(after, "groups")).map(named("group")),
    ...paths.map(named("path")),
    ...diff(listed(before?.compiled.persistent), listed(after.compiled.persistent)).map(named("persistent")),
    ...diff(kernelArgs(before), kernelArgs(after)).map(named("kernel-args")),
    ...diff(one("health", before?.compiled.health), one("health", after.compiled.health)).map(named("health")),
    ...diff(one("updates", before?.updates), one("updates", after.updates)).map(named("updates")),
    ...diff(new Map(Object.entries(before?.plan.stages ?? {})), new Map(Object.entries(after.plan.stages))).map(named("stage")),
    ...diff(onceOf(before), onceOf(after)).map(named("once")),
  ];
  const units = unitChanges(before?.compiled.entries ?? [], after.compiled.entries, paths, after.init);
  return { changes, actions: actionsFor(changes, after, units), reboot: rebootFor(changes, units, bootStages(before, after)) };
}

interface Difference {
  readonly name: string;
  readonly how: Change["how"];
}

function diff(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): Difference[] {
  const found: Difference[] = [];
  for (const [name, value] of after) {
    if (!before.has(name)) found.push({ name, how: "added" });
    else if (JSON.stringify(before.get(name)) !== JSON.stringify(value)) found.push({ name, how: "changed" });
  }
  for (const name of before.keys()) if (!after.has(name)) found.push({ name, how: "removed" });
  return found.sort(({ name: a }, { name: b }) => (a < b ? -1 : 1));
}

const named =
  (kind: ChangeKind) =>
  ({ name, how }: Difference): Change => ({ kind, how, name });
const entriesOf = (config: Compiled | undefined): Map<string, TreeEntry> =>
  new Map((config?.compiled.entries ?? []).map((entry) => [entry.path, entry]));
const accountsOf = (config: Compiled | undefined, kind: "users" | "groups"): Map<string, unknown> =>
  new Map((config?.compiled.accounts[kind] ?? []).map((account) => [account.name, account]));
const listed = (names: readonly string[] | undefined): Map<string, unknown> => new Map((names ?? []).map((name) => [name, true]));
const one = (name: string, value: unknown): Map<string, unknown> => new Map(value === undefined ? [] : [[name, value]]);
/** By the keys of a document. */
const onceOf = (config: Compiled | undefined): Map<string, unknown> => {
  const { disks = [], fileSystems = [], commands = [] } = config?.plan.once ?? {};
  const all = [["disk_setup", disks] as const, ["fs_setup", fileSystems] as const, ["runcmd", commands] as const];
  return new Map<string, unknown>(all.filter(([, list]) => list.length > 0));
};
const kernelArgs = (config: Compiled | undefined): Map<string, unknown> => {
  const { append = [], remove = [] } = config?.kernelArgs ?? {};
  return listed([...append.map((word) => `+${word}`), ...remove.map((word) => `-${word}`)]);
};

function hostnameChange(before: Compiled | undefined, after: Compiled): Change[] {
  const [old, name] = [before?.compiled.hostname, after.compiled.hostname];
  if (old === name) return [];
  const how = old === undefined ? "added" : name === undefined ? "removed" : "changed";
  return [{ kind: "hostname", how, name: name ?? old! }];
}

function actionsFor(changes: readonly Change[], after: Compiled, units: UnitChanges): Action[] {
  const paths = changes.filter(({ kind }) => kind === "path");
  const actions: Action[] = [];
  const add = (id: string, says: string, what: Action["what"], waitFor: readonly string[]): void => {
    const there = waitFor.filter((other) => actions.some((action) => action.id === other));
    actions.push({ id, says, what, after: there });
  };
  const run = (id: string, says: string, argv: readonly [string, ...string[]], waitFor: readonly string[]): void =>
    add(id, says, { is: "run", argv }, waitFor);
  // Of what is about to go a unit is stopped while its file is there.
  const stops = units.stop.map((unit) => `stop ${unit}`);
  for (const unit of units.stop) run(`stop ${unit}`, `${unit} stops`, control(after.init, "stop", unit), []);

  if (changes.some(({ kind }) => kind === "user" || kind === "group"))
    add("accounts", "users and groups are changed", { is: "accounts" }, stops);
  const removed = paths.filter(({ how }) => how === "removed").map(({ name }) => name);
  if (removed.length > 0)
    add(
      "remove",
      `${counted(removed)} as the image has ${removed.length === 1 ? "it" : "them"}`,
      { is: "remove", paths: removed },
      stops,
    );
  const wanted = new Set(paths.filter(({ how }) => how !== "removed").map(({ name }) => name));
  const entries = after.compiled.entries.filter(({ path }) => wanted.has(path));
  if (entries.length > 0) add("lay", `${counted(entries)} laid down`, { is: "lay", entries }, [...stops, "accounts", "remove"]);
  const laid = ["accounts", "remove", "lay"];
  const { hostname } = after.compiled;
  if (hostname !== undefined && changes.some(({ kind }) => kind === "hostname"))
    add("hostname", `the host name is ${hostname}`, { is: "hostname", name: hostname }, laid);

  if (units.reload) run("reload", "systemd reads its units again", ["systemctl", "daemon-reload"], laid);
  const consequences: string[] = [];
  for (const { path, id, says, argv, of } of CONSEQUENCES) {
    const words = argv[after.init];
    if (of !== undefined && [...units.stop, ...units.start].includes(of)) continue;
    if (!words || !paths.some(({ name }) => path.test(name))) continue;
    run(id, says, words, [...laid, "reload", "udev"]);
    consequences.push(id);
  }
  const ready = [...laid, "hostname", "reload", ...consequences];
  for (const unit of units.restart)
    run(`restart ${unit}`, `${unit} starts again, where it runs`, control(after.init, "restart", unit), ready);
  for (const unit of units.start) run(`start ${unit}`, `${unit} starts`, control(after.init, "start", unit), ready);
  return actions;
}

function control(init: InitKind, verb: "start" | "stop" | "restart", unit: string): readonly [string, ...string[]] {
  if (init === "systemd") return verb === "restart" ? tryRestart(unit) : ["systemctl", verb, unit];
  return verb === "restart"
    ? openrcRunning(unit, "restart")
    : ["rc-service", verb === "start" ? "--ifstopped" : "--ifstarted", unit, verb];
}

/** Stages that do something else at the next boot, besides the files that are written when a config is applied. */
const bootStages = (before: Compiled | undefined, after: Compiled): readonly string[] => {
  const steps = (config: Compiled | undefined): Map<string, unknown> =>
    new Map(config ? Object.entries(withFiles(config.plan, "others").stages) : []);
  return diff(steps(before), steps(after)).flatMap(({ name, how }) => (how === "removed" ? [] : [name]));
};

function rebootFor(changes: readonly Change[], { later }: UnitChanges, stages: readonly string[]): string[] {
  const found = new Set<string>();
  for (const { kind, how, name } of changes) {
    if (kind === "persistent") found.add(`${name} ${how === "removed" ? "no longer keeps" : "keeps"} what is written to it`);
    if (kind === "kernel-args") found.add(NEW_KERNEL_ARGS);
    if (kind === "hostname" && how === "removed") found.add("the host name is the image's");
    if (kind !== "path") continue;
    for (const { path, how: only, says } of LATER) if (path.test(name) && (only === undefined || only === how)) found.add(says);
  }
  for (const name of stages) found.add(`stage ${name} runs as it is now`);
  for (const unit of later) found.add(`${unit} is as its files are now`);
  return [...found];
}

const counted = ({ length }: readonly unknown[]): string => (length === 1 ? "1 path is" : `${length} paths are`);
