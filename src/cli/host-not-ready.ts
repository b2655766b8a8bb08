import { AppError } from "../core/error.ts";
import { remedies, type Missing } from "../host/requirements.ts";
import { quote } from "../host/run.ts";

/** The commands that would help, as a sentence. */
export const rootCommands = (missing: readonly Missing[]): string => `Run as root: ${remedies(missing).map(quote).join(" && ")}`;

/** @param hint default: what `missing` advises, or the commands */
export function hostNotReady(missing: readonly Missing[], cause?: unknown, hint?: string): AppError {
  const advice = missing.find((item) => item.advice)?.advice;
  return new AppError("HOST_NOT_READY", `this host lacks ${missing.map(({ what }) => what).join(", and ")}`, {
    hint: hint ?? advice ?? `${rootCommands(missing)}.`,
    cause,
  });
}
