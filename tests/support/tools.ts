import { homedir } from "node:os";
import { join } from "node:path";
import { toolsTree, type ToolsSet } from "../../src/build/tools-tree.ts";
import { silent } from "../../src/core/progress.ts";
import { currentCaller } from "../../src/host/caller.ts";
import { run } from "../../src/host/run.ts";
import type { Tools } from "../../src/host/tools.ts";

/** The cached tools tree of whoever runs the tests; bootstrapped on first use. */
export async function testTools(set: ToolsSet = "build"): Promise<Tools> {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return await toolsTree({ folder: join(cache, "petrify/tools"), caller: currentCaller(), run, progress: silent, set });
}
