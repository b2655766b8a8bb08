/** @portable What one group of keys comes to, before it is put together with the others. */
import type { HealthPlan } from "../../../layout/health-plan.ts";
import type { CompiledAccounts, TreeEntry } from "../../../layout/compiled-config.ts";
import type { ConfiguredFile } from "../node-config.ts";
import type { StageName, Step } from "../stages.ts";

/** A key that an image cannot do, or that contradicts another one. */
export interface Unsupported {
  /** As in a document, members of a list by what names them: `units[web.service].enabled`. */
  readonly key: string;
  /** The end of a sentence that starts with the key. Never a secret. */
  readonly problem: string;
  /** What would be needed, a sentence. */
  readonly hint?: string;
}

/** A path that a key wants to be something. */
export interface Draft {
  readonly key: string;
  readonly path: string;
  readonly what: TreeEntry["what"];
  /** Default: `root:root` */
  readonly owner?: string;
  /** Recovery has it, too. */
  readonly recovery?: true;
  /** Of folders above it that are not there: default `root:root` and 0755. */
  readonly parents?: { readonly owner: string; readonly mode: number };
}

export interface Part {
  readonly drafts?: readonly Draft[];
  readonly unsupported?: readonly Unsupported[];
  /** Good to know, a sentence each. */
  readonly notes?: readonly string[];
  readonly accounts?: CompiledAccounts;
  readonly hostname?: string;
  readonly persistent?: readonly string[];
  readonly health?: HealthPlan;
  readonly steps?: readonly PlannedStep[];
}
/** For the stage runner. */
export interface PlannedStep {
  readonly stage: StageName;
  readonly step: Step;
}

/** In front of what is generated, in a format whose comments begin with `#`. */
export const MARK = "# From the machine config; changed there.\n";

export const textFile = (key: string, path: string, text: string, mode = 0o644): Draft => ({
  ...{ key, path },
  what: { is: "file", mode, content: { text } },
});
/** A file of lines under {@link MARK}. */
export const markedFile = (key: string, path: string, lines: readonly string[], mode = 0o644): Draft =>
  textFile(key, path, `${MARK}${lines.map((line) => `${line}\n`).join("")}`, mode);
export const link = (key: string, path: string, to: string): Draft => ({ key, path, what: { is: "link", to } });
export const gone = (key: string, path: string): Draft => ({ key, path, what: { is: "gone" } });

/** One line, without anything that ends one or is not shown: what may stand in a line of a configuration file. */
// eslint-disable-next-line no-control-regex -- that is what is refused
export const isOneLine = (text: string): boolean => /^[^\0-\x08\x0a-\x1f\x7f]*$/.test(text);

const NO_PARTS = {
  conditions: { files: [], anyFile: [], noFiles: [] },
  after: [],
  onError: "continue",
  commands: [],
  files: [],
  directories: [],
  users: [],
  groups: [],
  authorizedKeys: {},
  entities: [],
  sysctl: {},
  systemctl: { enable: [], disable: [], start: [], stop: [], restart: [], mask: [] },
  modules: [],
  environment: {},
  downloads: [],
} as const satisfies Omit<Step, "name">;

/** A step that does only this; one that fails is told, and the others go on. */
export const plannedStep = (
  stage: StageName,
  name: string,
  does: Partial<Pick<Step, "commands">> & { readonly files?: readonly ConfiguredFile[] },
): PlannedStep => ({ stage, step: { ...NO_PARTS, name, ...does } });
