/** What other programs do for callers of the API, and the audit log has to tell of: the agent is asked for as long as it is done. docs/concepts/capture.md, docs/concepts/debug.md */
import type { LocalHandler } from "../host/unix-http.ts";

/** Packets are captured by petrify-look. */
export const CAPTURE = "POST /capture";
/** A container is there, of petrify-debug. */
export const DEBUG = "POST /debug";

/** Ends when whoever has asked goes: there is no other end to it. */
export const untilLetGo: LocalHandler = async function* (signal) {
  yield { logged: true };
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  yield { ended: { outcome: "succeeded" } };
};
