import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { takeLock } from "../host/lock-file.ts";
import { wait } from "../host/wait.ts";
import { VM_FILES } from "./named-vm.ts";

const ASK_EVERY_MS = 50;
/** Longer than a machine needs that was told to end at once. */
const LIMIT_MS = 15_000;

/**
 * The lock of a named VM: of the process that it runs in, or of the one that removes it. Who is about to end is waited for.
 *
 * @throws AppError `VM_BUSY`, `NO_SUCH_VM`; the signal's reason
 */
export async function lockVm(name: string, folder: string, signal: AbortSignal, limitMs = LIMIT_MS): Promise<AsyncDisposable> {
  for (let waited = 0; ; waited += ASK_EVERY_MS) {
    const lock = await takeLock(join(folder, VM_FILES.lock)).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
      throw new AppError("NO_SUCH_VM", `there is no VM ${name}`, { hint: "See `petrify vm list`." });
    });
    if (lock) return lock;
    if (waited >= limitMs) {
      throw new AppError("VM_BUSY", `another process has the VM ${name}`, { hint: "See `petrify vm list`." });
    }
    await wait(ASK_EVERY_MS, signal);
  }
}
