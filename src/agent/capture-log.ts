/** Packets are captured by petrify-look; the agent is asked for as long as it does so, that the audit log has it. docs/concepts/capture.md */
import type { LocalHandler } from "../host/unix-http.ts";

export const CAPTURE = "POST /capture";

/** Ends when whoever has asked goes: there is no other end to a capture. */
export const captureHandler: LocalHandler = async function* (signal) {
  yield { logged: true };
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  yield { ended: { outcome: "succeeded" } };
};
