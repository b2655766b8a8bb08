import type { Progress } from "../src/core/progress.ts";
import type { Run } from "../src/host/run.ts";
import type { Caller, Tools } from "../src/host/tools.ts";
import type { PeerTree } from "./debian-tree.ts";

/** What every part of a benchmark run is given. */
export interface BenchContext {
  /** petrify's own tools tree. */
  readonly tools: Tools;
  /** A tree with the programs of a peer; made when it is first asked for. */
  readonly peerTools: (peer: PeerTree) => Promise<Tools>;
  readonly run: Run;
  readonly caller: Caller;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Everything that a run makes; can be removed at any time. */
  readonly folder: string;
  readonly random: (bytes: number) => Uint8Array;
}

/** Removes files whoever owns them. */
export async function remove(
  { tools, folder }: Pick<BenchContext, "tools" | "folder">,
  ...paths: readonly string[]
): Promise<void> {
  await tools.run(["rm", "--recursive", "--force", "--", ...paths], {
    binds: [{ source: folder, writable: true }],
    anyOwner: true,
  });
}
