/** @portable Whether a step is for this machine: `if_files`, `only_os` and the like. What `if` says only a running system can tell. */
import type { StepConditions } from "./stages.ts";

/** Of an image that a config is compiled for, or of the machine that runs. */
export interface ConditionFacts {
  /** `ID` and `VERSION_ID` of os-release(5). */
  readonly os: string;
  readonly osVersion: string;
  /** As uname(1) says it: `x86_64` */
  readonly architecture: string;
  readonly init: string;
  readonly has: (path: string) => boolean;
}
export interface Verdict {
  readonly holds: boolean;
  /** The first that does not hold, as a few words. */
  readonly why?: string;
  /** Those that cannot be decided, each by its key; they do not hold. */
  readonly undecided: readonly { readonly field: string; readonly problem: string }[];
}

export function judgeConditions(
  { files, anyFile, noFiles, os, osVersion, architecture, serviceManager }: StepConditions,
  facts: ConditionFacts,
): Verdict {
  const undecided: Verdict["undecided"][number][] = [];
  const fits = (field: string, pattern: string | undefined, value: string): boolean => {
    if (pattern === undefined) return true;
    try {
      return new RegExp(pattern).test(value);
    } catch {
      undecided.push({ field, problem: "is no regular expression" });
      return false;
    }
  };
  const missing = files.find((path) => !facts.has(path));
  const unwanted = noFiles.find((path) => facts.has(path));
  const failing = [
    missing === undefined ? undefined : `there is no ${missing}`,
    anyFile.length === 0 || anyFile.some((path) => facts.has(path)) ? undefined : "there is none of the files of if_files.any",
    unwanted === undefined ? undefined : `there is ${unwanted}`,
    fits("only_os", os, facts.os) ? undefined : `only_os: this is ${facts.os}`,
    fits("only_os_version", osVersion, facts.osVersion) ? undefined : `only_os_version: this is ${facts.osVersion}`,
    fits("only_arch", architecture, facts.architecture) ? undefined : `only_arch: this is ${facts.architecture}`,
    fits("only_service_manager", serviceManager, facts.init) ? undefined : `only_service_manager: this is ${facts.init}`,
  ].find((why) => why !== undefined);
  return { holds: failing === undefined, ...(failing === undefined ? {} : { why: failing }), undecided };
}
