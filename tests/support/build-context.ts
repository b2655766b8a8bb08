import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildContext } from "../../src/build/context.ts";
import { silent } from "../../src/core/progress.ts";
import { currentCaller } from "../../src/host/caller.ts";
import { run } from "../../src/host/run.ts";
import { testTools } from "./tools.ts";

/** For single steps of a build: the tools of whoever runs the tests, a cache that is not there, no progress. */
export const testContext = async (more: Partial<BuildContext> = {}): Promise<BuildContext> => ({
  ...{ tools: await testTools(), run, caller: currentCaller(), progress: silent, signal: undefined },
  containerTools: async () => await testTools("containers"),
  mediaTools: async () => await testTools("media"),
  ...{ cacheFolder: join(tmpdir(), "petrify-no-cache"), clock: () => performance.now(), random: randomBytes },
  ...more,
});
