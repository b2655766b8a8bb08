/** @portable What the stages of a running system say, on one image: whatever can be decided before is decided here, and what cannot be done is refused. */
import { judgeConditions } from "../conditions.ts";
import type { ConfiguredUnit, ConfiguredUser, NodeConfig } from "../node-config.ts";
import { graphProblems } from "../step-graph.ts";
import { STAGE_NAMES, type StageName, type Step } from "../stages.ts";
import { compileAccounts } from "./accounts.ts";
import { layoutProblems } from "./disks.ts";
import type { ImageView } from "./image-view.ts";
import { compileModules, compileSysctl } from "./kernel.ts";
import { knownAccounts, type KnownAccounts } from "./known-accounts.ts";
import { compileNames } from "./names.ts";
import type { Draft, Part, PlannedStep, Unsupported } from "./part.ts";
import { locate, settleEntries } from "./settle-entries.ts";
import { compileSsh, isServerFile } from "./ssh.ts";
import type { FetchedFile, KeptLines, StageStep } from "./stage-plan.ts";
import { addedBy, entitiesOf, labelsOf, stepDrafts, variableLines, type AddedParts } from "./step-parts.ts";
import { compileTime } from "./time.ts";
import { compileUnits } from "./units.ts";

interface LaterStages {
  readonly stages: Readonly<Partial<Record<StageName, readonly StageStep[]>>>;
  readonly unsupported: readonly Unsupported[];
}
interface Context {
  /** Without its early stages, which have been folded into it. */
  readonly config: NodeConfig;
  readonly view: ImageView;
  readonly kept: readonly string[];
  /** Those of every step among them. */
  readonly accounts: KnownAccounts;
}
/** A step with what it adds. */
interface Found {
  readonly stage: StageName;
  readonly key: string;
  readonly step: Step;
  readonly own: boolean;
  /** Nothing where the step is for another image. */
  readonly added: AddedParts | undefined;
}

/**
 * @param own steps that the document's other keys come to; they follow those of the stages
 * @param kept every folder that keeps what is written to it
 */
export function compileLaterStages(
  config: NodeConfig,
  own: readonly PlannedStep[],
  view: ImageView,
  kept: readonly string[],
): LaterStages {
  const unsupported: Unsupported[] = [];
  const find = (stage: StageName, step: Step, isOwn: boolean): Found => {
    const key = isOwn ? step.name : `stages.${stage}[${step.name}]`;
    const { undecided } = judgeConditions(step.conditions, view);
    unsupported.push(...undecided.map(({ field, problem }) => ({ key: `${key}.${field}`, problem })));
    if (!isForImage(step, view)) return { stage, key, step, own: isOwn, added: undefined };
    const entities = entitiesOf(key, step, view);
    unsupported.push(...entities.unsupported);
    return { stage, key, step, own: isOwn, added: addedBy(step, entities) };
  };
  const found = STAGE_NAMES.flatMap((stage): Found[] => {
    const steps = config.stages[stage] ?? [];
    for (const { index, at, problem } of graphProblems(steps)) {
      const step = steps[index]!;
      unsupported.push({
        key: `stages.${stage}[${step.name}].after`,
        problem: `${JSON.stringify(step.after[at])} ${problem}`,
      });
    }
    const planned = own.filter((one) => one.stage === stage);
    return [...steps.map((step) => find(stage, step, false)), ...planned.map(({ step }) => find(stage, step, true))];
  });
  const users = [...config.users, ...found.flatMap(({ added }) => added?.users ?? [])];
  const groups = [...config.groups, ...found.flatMap(({ added }) => added?.groups ?? [])];
  const accounts = knownAccounts({ users, groups }, view);
  const stages: Partial<Record<StageName, StageStep[]>> = {};
  for (const one of found) {
    const compiled = compileStep(one, { config, view, kept, accounts });
    unsupported.push(...compiled.unsupported);
    (stages[one.stage] ??= []).push(compiled.step);
  }
  return { stages, unsupported };
}

/** As far as the image alone decides. */
const isForImage = ({ conditions: { os, osVersion, architecture, serviceManager } }: Step, view: ImageView): boolean =>
  judgeConditions(
    {
      ...{ files: [], anyFile: [], noFiles: [] },
      ...(os !== undefined && { os }),
      ...(osVersion !== undefined && { osVersion }),
      ...(architecture !== undefined && { architecture }),
      ...(serviceManager !== undefined && { serviceManager }),
    },
    view,
  ).holds;

function compileStep(found: Found, context: Context): { readonly step: StageStep; readonly unsupported: readonly Unsupported[] } {
  const { key, step, own, added } = found;
  const { name, conditions, after, onError } = step;
  const head = { name, own, conditions, after, onError };
  if (!added) return { step: { ...head, ...NOTHING }, unsupported: [] };
  const { config, view, kept, accounts } = context;
  const labels = new Map(labelsOf(key, added));
  const asked: NodeConfig = { ...config, users: added.users, groups: added.groups, authorizedKeys: [], modules: added.modules };
  const users = compileAccounts(asked, view, { accounts, labels });
  const ssh = sshOf(found, added, context);
  const time = step.timesyncd ? compileTime({ ...withoutZone(asked), ntp: step.timesyncd }, view) : {};
  const names =
    step.hostname === undefined ? {} : compileNames({ ...asked, hostname: step.hostname, manageEtcHosts: false }, view);
  const sysctl = compileSysctl({ ...asked, sysctl: step.sysctl });
  const modules = compileModules(asked, view, labels);
  const units = compileUnits({ units: [...unitsOf(step, config), ...added.units] }, view, labels);
  const folders = stepDrafts(key, step);
  const files = filesOf(found, added, context);
  const variables = variableLines(key, step.environment);
  const isOfStep = ({ key: of }: Unsupported | Draft): boolean => of.startsWith(key);
  const settled = settleEntries(
    [
      ...[users, time, names, folders].flatMap(({ drafts = [] }: Part) => drafts),
      ...(units.drafts ?? []).filter(isOfStep),
      ...(ssh.drafts ?? []).filter(isServerFile),
      ...files.drafts,
    ].map(({ recovery: _recovery, ...draft }) => draft),
    view,
    kept,
    { run: true },
  );
  const keptLines = [
    ...(ssh.drafts ?? []).filter((draft) => !isServerFile(draft)).map((draft) => keysAt(draft)),
    ...(variables.lines.length > 0 ? [variablesAt(step.environmentFile ?? "/etc/environment", variables.lines)] : []),
  ].flatMap((lines): (KeptLines | Unsupported)[] => {
    const at = locate(lines.path, view, kept, true);
    return at.is === "refused" ? [{ key, problem: `${lines.path} ${at.why}` }] : [{ ...lines, path: at.path, when: at.is }];
  });
  const { start, stop, restart } = step.systemctl;
  const isTold = (one: Unsupported): Unsupported => (isOfStep(one) ? one : { ...one, key: `${key}.${one.key}` });
  const wrongSysctl = new Set((sysctl.unsupported ?? []).map((one) => one.key));
  const wrongModules = new Set((modules.unsupported ?? []).map((one) => one.key));
  return {
    step: {
      ...head,
      ...(step.layout && { layout: step.layout }),
      accounts: users.accounts ?? NOTHING.accounts,
      entries: settled.entries,
      lines: keptLines.filter((one) => "lines" in one),
      fetched: files.fetched,
      ...(names.hostname !== undefined && { hostname: names.hostname }),
      sysctl: Object.fromEntries(Object.entries(step.sysctl).filter(([one]) => !wrongSysctl.has(`sysctl[${one}]`))),
      modules: added.modules.filter((one) => !wrongModules.has(labels.get(one)!)).map((one) => one.name),
      units: { start, stop, restart },
      environment: step.environment,
      commands: step.commands,
    },
    unsupported: [
      ...[users, time, names, sysctl, modules, folders, variables, ssh].flatMap((part) => (part.unsupported ?? []).map(isTold)),
      ...(units.unsupported ?? []).filter(isOfStep),
      ...files.unsupported,
      ...settled.unsupported.map(isTold),
      ...keptLines.filter((one) => "problem" in one),
      ...layoutProblems(key, step, view),
    ],
  };
}

const NOTHING: Omit<StageStep, "name" | "own" | "conditions" | "after" | "onError"> = {
  ...{ accounts: { users: [], groups: [] }, entries: [], lines: [], fetched: [], sysctl: {}, modules: [] },
  ...{ units: { start: [], stop: [], restart: [] }, environment: {}, commands: [] },
};

const withoutZone = ({ timezone: _timezone, ...config }: NodeConfig): NodeConfig => config;

/** Keys go beside those that the user has; the server is told where to look as by the document's own keys. */
function sshOf({ key, step }: Found, added: AddedParts, { config, view, accounts }: Context): Part {
  const further = Object.entries(step.authorizedKeys).map(([user, keys]) => ({
    key: `${key}.authorized_keys.${user}`,
    ...{ user, keys },
  }));
  const users = added.users.map((user): ConfiguredUser => user);
  if (further.length === 0 && users.every(({ authorizedKeys }) => authorizedKeys.length === 0)) return {};
  const labels = new Map(labelsOf(key, added));
  return compileSsh({ ...config, users, authorizedKeys: [] }, view, { accounts, labels, further });
}

const keysAt = ({ path, what, owner = "root:root" }: Draft): Omit<KeptLines, "when"> => ({
  ...{ path, owner, mode: what.is === "file" ? what.mode : 0o644 },
  lines: linesOf(what).map((line) => ({ line })),
});
const linesOf = (what: Draft["what"]): string[] =>
  what.is === "file" && "text" in what.content ? what.content.text.split("\n").filter((line) => line !== "") : [];

const variablesAt = (path: string, lines: readonly (readonly [name: string, line: string])[]): Omit<KeptLines, "when"> => ({
  ...{ path, owner: "root:root", mode: 0o644 },
  lines: lines.map(([name, line]) => ({ line, begin: `${name}=` })),
});

/** Units that can be enabled: the document's, and those that the step's own files are. */
const unitsOf = ({ files }: Step, { units }: NodeConfig): readonly ConfiguredUnit[] => [
  ...units,
  ...files.flatMap(({ path, content }): ConfiguredUnit[] => {
    const name = /^\/etc\/systemd\/system\/([^/]+)$/.exec(path)?.[1];
    return name === undefined || !("text" in content) ? [] : [{ name, content: content.text, dropIns: [] }];
  }),
];

function filesOf(
  { key, step }: Found,
  added: AddedParts,
  { view, kept, accounts }: Context,
): { readonly drafts: readonly Draft[]; readonly fetched: readonly FetchedFile[]; readonly unsupported: readonly Unsupported[] } {
  const drafts: Draft[] = [];
  const fetched: FetchedFile[] = [];
  const unsupported: Unsupported[] = [];
  const downloads = step.downloads.map(({ path, url, sha256, mode, owner }) => ({
    ...{ path, mode, owner, append: false },
    content: { url, ...(sha256 !== undefined && { sha256 }) },
    label: `${key}.downloads[${path}]`,
  }));
  for (const { path, content, mode, owner, append, label } of [
    ...added.files.map((file) => ({ ...file, label: `${key}.files[${file.path}]` })),
    ...downloads,
  ]) {
    const problem = accounts.whyNoOwner(owner);
    const at = locate(path, view, kept);
    const full = accounts.fullOwner(owner);
    if (problem !== undefined) unsupported.push({ key: `${label}.owner`, problem });
    else if (!("url" in content)) {
      const home = accounts.homeOf(path);
      drafts.push({
        ...{ key: label, path, owner: full },
        what: { is: "file", mode, content, ...(append && { append: true }) },
        ...(home && { parents: { owner: home.owner, mode: 0o700 } }),
      });
    } else if (at.is === "refused") unsupported.push({ key: label, problem: `${path} ${at.why}` });
    else {
      const { url, headers, sha256 } = content as { url: string; headers?: Readonly<Record<string, string>>; sha256?: string };
      fetched.push({
        ...{ path: at.path, when: at.is, url, mode, owner: full, append },
        ...(headers && { headers }),
        ...(sha256 !== undefined && { sha256 }),
      });
    }
  }
  for (const { key: of, problem } of step.directories.flatMap(({ path, owner }) => {
    const why = accounts.whyNoOwner(owner);
    return why === undefined ? [] : [{ key: `${key}.directories[${path}].owner`, problem: why }];
  }))
    unsupported.push({ key: of, problem });
  return { drafts, fetched, unsupported };
}
