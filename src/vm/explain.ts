import { AppError } from "../core/error.ts";

/** What QEMU says when it does not start, as one sentence and what to do. */
export function explainQemu(output: string, cause?: unknown): AppError {
  const port = /Could not set up host forwarding rule '?tcp:127\.0\.0\.1:(\d+)/.exec(output)?.[1];
  if (port) {
    return new AppError("PORT_IN_USE", `port ${port} of this machine cannot be forwarded: it is in use or reserved`, {
      hint: "Choose another port: --forward HOST:GUEST.",
      cause: output,
    });
  }
  if (/cannot set up guest memory|Cannot allocate memory/.test(output)) {
    return new AppError("MEMORY_INSUFFICIENT", "this machine has not enough free memory for the VM", {
      hint: "Give the VM less: --memory 512MiB.",
      cause: output,
    });
  }
  if (/Failed to get (?:shared )?"[^"]+" lock/.test(output)) {
    return new AppError("DISK_IN_USE", "the disk is in use by another VM", {
      hint: "End the other VM, or run both without --keep.",
      cause: output,
    });
  }
  const line =
    output
      .trim()
      .split("\n")
      .findLast((text) => text.includes("qemu-system-x86_64:")) ?? output.trim();
  const reason = line.replace(/^.*?qemu-system-x86_64: /, "");
  return new AppError("QEMU_FAILED", `QEMU did not start${reason ? `: ${reason}` : ""}`, { cause: cause ?? output });
}
