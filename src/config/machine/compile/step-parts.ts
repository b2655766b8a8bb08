/** @portable What the steps of all stages have in common when they are compiled. */
import type { ConfiguredGroup, ConfiguredUnit, ConfiguredUser, NodeConfig } from "../node-config.ts";
import type { Step } from "../stages.ts";
import { whyNoVariable } from "./environment.ts";
import type { ImageView } from "./image-view.ts";
import { markedFile, type Draft, type Unsupported } from "./part.ts";

/** Members of lists of a document that a step stands for. */
export interface AddedParts {
  readonly users: readonly ConfiguredUser[];
  readonly groups: readonly ConfiguredGroup[];
  readonly files: NodeConfig["files"];
  readonly units: readonly ConfiguredUnit[];
  readonly modules: NodeConfig["modules"];
}

/** Copies, so that each is known by itself. */
export function addedBy(step: Step, entities: Pick<AddedParts, "users" | "groups">): AddedParts {
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

/** What each of them is called in a problem. @param key of the step */
export const labelsOf = (key: string, added: AddedParts): (readonly [member: object, label: string])[] =>
  (["users", "groups", "files", "units", "modules"] as const).flatMap((list) =>
    added[list].map((member) => [member, `${key}.${list}[${"path" in member ? member.path : member.name}]`] as const),
  );

/** One word of resolv.conf(5). */
const RESOLVER_WORD = /^[A-Za-z0-9_.:%-]{1,255}$/;

interface StepDrafts {
  readonly drafts: readonly Draft[];
  readonly unsupported: readonly Unsupported[];
}

/** Its folders and name servers. */
export function stepDrafts(key: string, { directories, dns }: Step): StepDrafts {
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
  return { drafts, unsupported };
}

/** Lines `NAME="value"`. */
export function variableLines(
  key: string,
  variables: Readonly<Record<string, string>>,
): { readonly lines: readonly (readonly [name: string, line: string])[]; readonly unsupported: readonly Unsupported[] } {
  const unsupported: Unsupported[] = [];
  const lines: (readonly [string, string])[] = [];
  for (const [name, value] of Object.entries(variables)) {
    const problem = whyNoVariable(name, value);
    if (problem === undefined) lines.push([name, `${name}="${value}"`]);
    else unsupported.push({ key: `${key}.environment.${name}`, problem });
  }
  return { lines, unsupported };
}

/** Lines of passwd(5), group(5), shadow(5) and gshadow(5). */
export function entitiesOf(
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
