/** @portable What the document's own keys come to on a running system: it is done when the config is applied, too. */
import type { TreeEntry } from "../../../layout/compiled-config.ts";
import type { StageName } from "../stages.ts";
import type { StagePlan, StageStep } from "./stage-plan.ts";

/** Files of `write_files` that are fetched, that come late, or lie where a boot empties. `bootcmd` is of a boot alone. */
const isFiles = ({ own, commands }: StageStep): boolean => own && commands.length === 0;

/** The plan with these only, or with all the others. */
export const withFiles = ({ stages, ...plan }: StagePlan, which: "files" | "others"): StagePlan => ({
  ...plan,
  stages: Object.fromEntries(
    (Object.entries(stages) as [StageName, readonly StageStep[]][])
      .map(([name, steps]) => [name, steps.filter((step) => isFiles(step) === (which === "files"))] as const)
      .filter(([, steps]) => steps.length > 0),
  ),
});

/** As entries, of what is fetched without contents: what they lay, a later config removes. */
export const fileEntries = (plan: StagePlan): readonly TreeEntry[] =>
  Object.values(withFiles(plan, "files").stages)
    .flat()
    .flatMap(({ entries, fetched }) => [
      ...entries,
      ...fetched.map(({ path, when, owner, mode }): TreeEntry => ({
        ...{ path, when, owner },
        what: { is: "file", mode, content: { text: "" } },
      })),
    ]);
