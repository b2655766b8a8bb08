/** @portable `write_files`: what goes to `/etc` and to data is laid down, what comes from elsewhere or later is for the stage runner. */
import { bytesOfBase64 } from "../../../layout/base64.ts";
import type { ConfiguredFile, NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import type { KnownAccounts } from "./known-accounts.ts";
import { plannedStep, type Draft, type Part, type PlannedStep, type Unsupported } from "./part.ts";
import { locate } from "./settle-entries.ts";

/** What it is called in a problem: files that came of a stage are that stage's. */
export type Labels = ReadonlyMap<object, string>;

export interface FilesContext {
  readonly persistent: readonly string[];
  readonly accounts: KnownAccounts;
  readonly labels: Labels;
}

export function compileFiles({ files }: Pick<NodeConfig, "files">, view: ImageView, context: FilesContext): Part {
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  const steps: PlannedStep[] = [];
  for (const file of files) {
    const key = context.labels.get(file) ?? `write_files[${file.path}]`;
    const at = locate(file.path, view, context.persistent);
    if (at.is === "refused") {
      unsupported.push({ key, problem: `${file.path} ${at.why}` });
      continue;
    }
    const problem = context.accounts.whyNoOwner(file.owner);
    if (problem !== undefined) {
      unsupported.push({ key: `${key}.owner`, problem });
      continue;
    }
    const { content } = file;
    const text = file.append && "base64" in content ? textOf(content.base64) : undefined;
    if (file.append && "base64" in content && text === undefined)
      unsupported.push({ key, problem: "is no text, and only text can be added to a file" });
    else if ("url" in content) steps.push(fileStep("network", file));
    else if (file.defer) steps.push(fileStep("boot", file));
    else if (at.is === "run") steps.push(fileStep("fs", file));
    else {
      const home = context.accounts.homeOf(at.path);
      drafts.push({
        ...{ key, path: file.path, owner: context.accounts.fullOwner(file.owner) },
        what: {
          is: "file",
          mode: file.mode,
          content: text === undefined ? content : { text },
          ...(file.append && { append: true }),
        },
        ...(home && { parents: { owner: home.owner, mode: 0o700 } }),
      });
    }
  }
  return { drafts, unsupported, steps };
}

const fileStep = (stage: "fs" | "boot" | "network", file: ConfiguredFile): PlannedStep =>
  plannedStep(stage, `write_files ${file.path}`, { files: [file] });

/** Nothing for bytes that are no UTF-8. */
function textOf(base64: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOfBase64(base64));
  } catch {
    return undefined;
  }
}
