/**
 * @portable What the stages `rootfs` and `initramfs` say: it is in place before process 1 starts, as if the document's own keys had said it. Nothing can run
 * there, so commands are refused.
 */
import type { ConfiguredGroup, ConfiguredUnit, ConfiguredUser, NodeConfig } from "../node-config.ts";
import type { StageName, Step } from "../stages.ts";
import { whyNoVariable } from "./environment.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import type { Keys } from "./ssh.ts";
import { markedFile, type Draft, type Unsupported } from "./part.ts";

const EARLY: readonly StageName[] = [
  "rootfs.before",
  "rootfs",
  "rootfs.after",
  "initramfs.before",
  "initramfs",
  "initramfs.after",
];

interface Folded {
  readonly config: NodeConfig;
  /** What members of lists are called that came of a step. */
  readonly labels: Labels;
  readonly drafts: readonly Draft[];
  readonly keys: readonly Keys[];
  readonly unsupported: readonly Unsupported[];
}

/** @returns the config without those stages, which the rest of it says now */
export function foldEarlyStages(config: NodeConfig, view: ImageView): Folded {
  const labels = new Map<object, string>();
  const drafts: Draft[] = [];
  const keys: Keys[] = [];
  const unsupported: Unsupported[] = [];
  let folded = config;
  for (const stage of EARLY) {
    for (const step of config.stages[stage] ?? []) {
      const key = `stages.${stage}[${step.name}]`;
      const wanted = isWanted(key, step, view);
      unsupported.push(...wanted.unsupported, ...refused(key, step));
      if (!wanted.holds) continue;
      const entities = entitiesOf(key, step, view);
      unsupported.push(...entities.unsupported);
      const added = copies(step, entities);
      for (const list of ["users", "groups", "files", "units", "modules"] as const)
        for (const member of added[list]) labels.set(member, `${key}.${list}[${"path" in member ? member.path : member.name}]`);
      if (step.hostname !== undefined && folded.hostname !== undefined && folded.hostname !== step.hostname)
        unsupported.push({ key: `${key}.hostname`, problem: `is ${folded.hostname} by another key` });
      folded = merged(folded, step, added);
      const own = drafted(key, step);
      drafts.push(...own.drafts);
      unsupported.push(...own.unsupported);
      for (const [user, lines] of Object.entries(step.authorizedKeys))
        keys.push({ key: `${key}.authorized_keys.${user}`, user, keys: lines });
    }
  }
  const stages = Object.fromEntries(Object.entries(config.stages).filter(([name]) => !EARLY.includes(name as StageName)));
  return { config: { ...folded, stages }, labels, drafts, keys, unsupported };
}

interface Added {
  readonly users: readonly ConfiguredUser[];
  readonly groups: readonly ConfiguredGroup[];
  readonly files: NodeConfig["files"];
  readonly units: readonly ConfiguredUnit[];
  readonly modules: NodeConfig["modules"];
}

/** Copies, so that each is known by itself. */
function copies(step: Step, entities: Pick<Added, "users" | "groups">): Added {
  const { enable, disable, mask } = step.systemctl;
  const unit = (name: string, rest: Partial<ConfiguredUnit>): ConfiguredUnit => ({ name, dropIns: [], ...rest });
  return {
    users: [...step.users.map((user) => ({ ...user })), ...entities.users],
    groups: [...step.groups.map((group) => ({ ...group })), ...entities.groups],
    files: step.files.map((file) => ({ ...file })),
    modules: step.modules.map((module) => ({ ...module })),
    units: [
      ...enable.map((name) => unit(name, { enabled: true })),
      ...disable.map((name) => unit(name, { enabled: false })),
      ...mask.map((name) => unit(name, { masked: true })),
    ],
  };
}

const merged = (config: NodeConfig, step: Step, added: Added): NodeConfig => ({
  ...config,
  ...(step.hostname !== undefined && config.hostname === undefined && { hostname: step.hostname }),
  ...(step.timesyncd && { ntp: step.timesyncd }),
  users: [...config.users, ...added.users],
  groups: [...config.groups, ...added.groups],
  files: [...config.files, ...added.files],
  units: [...config.units, ...added.units],
  modules: [...config.modules, ...added.modules],
  sysctl: { ...config.sysctl, ...step.sysctl },
  environment: { ...config.environment, ...(step.environmentFile === undefined && step.environment) },
});

/** One word of resolv.conf(5). */
const RESOLVER_WORD = /^[A-Za-z0-9_.:%-]{1,255}$/;

interface Drafted {
  readonly drafts: readonly Draft[];
  readonly unsupported: readonly Unsupported[];
}

function drafted(key: string, { directories, dns, environment, environmentFile }: Step): Drafted {
  const drafts = directories.map(({ path, mode, owner }): Draft => ({
    ...{ key: `${key}.directories[${path}]`, path, owner: owner.includes(":") ? owner : `${owner}:${owner}` },
    what: { is: "folder", mode },
  }));
  const unsupported: Unsupported[] = [];
  if (dns) {
    const { nameservers, search, options } = dns;
    const wrong = [...nameservers, ...search, ...options].filter((word) => !RESOLVER_WORD.test(word));
    for (const word of wrong)
      unsupported.push({ key: `${key}.dns`, problem: `${JSON.stringify(word)} is no word of resolv.conf` });
    const lines = [
      ...nameservers.map((address) => `nameserver ${address}`),
      ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
      ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    ];
    if (wrong.length === 0) drafts.push(markedFile(`${key}.dns`, "/etc/resolv.conf", lines));
  }
  // Without a file of their own they are those of the document.
  const variables = environmentFile === undefined ? [] : Object.entries(environment);
  for (const [name, value] of variables) {
    const problem = whyNoVariable(name, value);
    if (problem !== undefined) unsupported.push({ key: `${key}.environment.${name}`, problem });
  }
  const lines = variables.filter(([name, value]) => !whyNoVariable(name, value)).map(([name, value]) => `${name}="${value}"`);
  if (lines.length > 0) drafts.push(markedFile(`${key}.environment_file`, environmentFile!, lines));
  return { drafts, unsupported };
}

/** What needs a running system. */
function refused(key: string, step: Step): Unsupported[] {
  const hint = "Put it into the stage fs, boot or network.";
  const { start, stop, restart } = step.systemctl;
  const wants: readonly (readonly [field: string, isThere: boolean])[] = [
    ["commands", step.commands.length > 0],
    ["downloads", step.downloads.length > 0],
    ["layout", step.layout !== undefined],
    ["if", step.conditions.command !== undefined],
    ["systemctl", start.length + stop.length + restart.length > 0],
    ["files", step.files.some(({ content }) => "url" in content)],
  ];
  return wants
    .filter(([, isThere]) => isThere)
    .map(([field]) => ({ key: `${key}.${field}`, problem: "cannot be done before the init has started", hint }));
}

function isWanted(
  key: string,
  { conditions }: Step,
  view: ImageView,
): { readonly holds: boolean; readonly unsupported: Unsupported[] } {
  const { command, files, anyFile, noFiles, os, osVersion, architecture, serviceManager } = conditions;
  const unsupported: Unsupported[] = [];
  const fits = (field: string, pattern: string | undefined, value: string): boolean => {
    if (pattern === undefined) return true;
    try {
      return new RegExp(pattern).test(value);
    } catch {
      unsupported.push({ key: `${key}.${field}`, problem: "is no regular expression" });
      return false;
    }
  };
  const holds = [
    command === undefined,
    files.every((path) => view.has(path)),
    anyFile.length === 0 || anyFile.some((path) => view.has(path)),
    !noFiles.some((path) => view.has(path)),
    fits("only_os", os, view.os),
    fits("only_os_version", osVersion, view.osVersion),
    fits("only_arch", architecture, view.architecture),
    fits("only_service_manager", serviceManager, view.init),
  ].every(Boolean);
  return { holds, unsupported };
}

/** Lines of passwd(5), group(5), shadow(5) and gshadow(5). */
function entitiesOf(
  key: string,
  { entities }: Step,
  view: ImageView,
): {
  readonly users: readonly ConfiguredUser[];
  readonly groups: readonly ConfiguredGroup[];
  readonly unsupported: readonly Unsupported[];
} {
  const users = new Map<string, ConfiguredUser>();
  const groups: ConfiguredGroup[] = [];
  const unsupported: Unsupported[] = [];
  const lines = (kind: Step["entities"][number]["kind"]): string[][] =>
    entities.filter((entity) => entity.kind === kind).map(({ line }) => line.trim().split(":"));
  const wrong = (name: string | undefined, what: string): void =>
    void unsupported.push({ key: `${key}.ensure_entities[${name}]`, problem: `is no line of ${what}` });
  for (const [name = "", , gid = "", members = "", ...rest] of lines("group")) {
    if (!/^\d{1,10}$/.test(gid) || rest.length > 0) wrong(name, "group(5)");
    else groups.push({ name, gid: Number(gid), members: members.split(",").filter(Boolean) });
  }
  const ofImage = new Map((view.read("/etc/group") ?? "").split("\n").map((line) => [line.split(":")[2], line.split(":")[0]!]));
  for (const [name = "", , uid = "", gid = "", gecos = "", home = "", shell = "", ...rest] of lines("user")) {
    const group = groups.find((one) => String(one.gid) === gid)?.name ?? ofImage.get(gid);
    if (!/^\d{1,10}$/.test(uid) || rest.length > 0 || !home.startsWith("/")) wrong(name, "passwd(5)");
    else if (group === undefined)
      unsupported.push({ key: `${key}.ensure_entities[${name}]`, problem: `no group has the number ${gid}` });
    else
      users.set(name, {
        ...{ name, uid: Number(uid), gecos, home, primaryGroup: group },
        ...(shell !== "" && { shell }),
        ...{ groups: [], isSystem: Number(uid) < 1000, noHome: false, isLocked: false, authorizedKeys: [], sudo: [] },
      });
  }
  for (const [name = "", hash = "", , , , , , expires = "", ...rest] of lines("shadow")) {
    const user = users.get(name);
    if (!user || rest.length > 1) wrong(name, "shadow(5) of a user that is named here");
    else users.set(name, { ...user, passwordHash: hash, ...(expires !== "" && { expires: Number(expires) }) });
  }
  for (const [name] of lines("gshadow")) wrong(name, "a kind that is taken: a group's password is the image's");
  return { users: [...users.values()], groups, unsupported };
}
