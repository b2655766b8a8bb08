/** Test double of what only captures of packets need. */
import { startProgram } from "../../host/start-program.ts";
import type { LookPorts } from "./call.ts";

export const noCaptures: Pick<LookPorts, "startProgram" | "logCapture"> = {
  startProgram,
  logCapture: async () => await Promise.reject(new Error("nothing is captured")),
};
