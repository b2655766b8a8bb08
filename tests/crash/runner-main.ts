/** Runs programs for a process that is too large to do it: what `fork` costs grows with its memory. Nothing imports this file. */
import { run, type RunOptions } from "../../src/host/run.ts";
import type { RunAnswer, RunRequest } from "./runner.ts";

const stop = new AbortController();
const running = new Set<Promise<void>>();

process.on("message", ({ id, argv, ...options }: RunRequest) => {
  const work = answer(id, argv, { ...options, signal: stop.signal }).then(
    (value) => void (process.connected && process.send!(value)),
  );
  running.add(work);
  void work.finally(() => running.delete(work));
});
process.once("disconnect", () => {
  stop.abort(new Error("nobody waits for it any more"));
  void Promise.all(running).then(() => process.exit());
});

async function answer(id: number, argv: RunRequest["argv"], options: RunOptions): Promise<RunAnswer> {
  try {
    return { id, result: await run(argv, options) };
  } catch (error) {
    return { id, error: String(error) };
  }
}
