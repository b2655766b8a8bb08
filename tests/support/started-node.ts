import { NODE_FLAGS } from "../../src/build/agent-executable.ts";

/** As start-main.ts does it in an image. */
const COLLECT = `import { garbageCollector } from ${JSON.stringify(import.meta.resolve("../../src/host/garbage-collector.ts"))};
  setTimeout(() => garbageCollector()({ execution: "sync" }), 500).unref();`;
/** Node, as the programs of an image have it: what comes next is a module, and its arguments. */
export const STARTED_NODE: readonly [string, ...string[]] = [
  process.execPath,
  ...NODE_FLAGS,
  `--import=data:text/javascript,${encodeURIComponent(COLLECT)}`,
];
