/**
 * @portable What the stages `rootfs` and `initramfs` say: it is in place before process 1 starts, as if the document's own keys had said it. Nothing can run
 * there, so commands are refused.
 */
import { judgeConditions } from "../conditions.ts";
import type { NodeConfig } from "../node-config.ts";
import type { StageName, Step } from "../stages.ts";
import { orderSteps } from "../step-graph.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import type { Keys } from "./ssh.ts";
import { markedFile, type Draft, type Unsupported } from "./part.ts";
import { addedBy, entitiesOf, labelsOf, stepDrafts, variableLines, type AddedParts } from "./step-parts.ts";

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
    const { steps, leftOut } = orderSteps(config.stages[stage] ?? []);
    for (const { step, problem } of leftOut) unsupported.push({ key: `stages.${stage}[${step.name}]`, problem });
    for (const step of steps) {
      const key = `stages.${stage}[${step.name}]`;
      const wanted = isWanted(key, step, view);
      unsupported.push(...wanted.unsupported, ...refused(key, step));
      if (!wanted.holds) continue;
      const entities = entitiesOf(key, step, view);
      unsupported.push(...entities.unsupported);
      const added = addedBy(step, entities);
      for (const [member, label] of labelsOf(key, added)) labels.set(member, label);
      if (step.hostname !== undefined && folded.hostname !== undefined && folded.hostname !== step.hostname)
        unsupported.push({ key: `${key}.hostname`, problem: `is ${folded.hostname} by another key` });
      folded = merged(folded, step, added);
      const own = stepDrafts(key, step);
      drafts.push(...own.drafts);
      unsupported.push(...own.unsupported);
      if (step.environmentFile !== undefined) {
        // Without a file of their own they are those of the document.
        const { lines, unsupported: wrong } = variableLines(key, step.environment);
        unsupported.push(...wrong);
        const texts = lines.map(([, line]) => line);
        if (lines.length > 0) drafts.push(markedFile(`${key}.environment_file`, step.environmentFile, texts));
      }
      for (const [user, lines] of Object.entries(step.authorizedKeys))
        keys.push({ key: `${key}.authorized_keys.${user}`, user, keys: lines });
    }
  }
  const stages = Object.fromEntries(Object.entries(config.stages).filter(([name]) => !EARLY.includes(name as StageName)));
  return { config: { ...folded, stages }, labels, drafts, keys, unsupported };
}

const merged = (config: NodeConfig, step: Step, added: AddedParts): NodeConfig => ({
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
  const { holds, undecided } = judgeConditions(conditions, view);
  return {
    holds: holds && conditions.command === undefined,
    unsupported: undecided.map(({ field, problem }) => ({ key: `${key}.${field}`, problem })),
  };
}
