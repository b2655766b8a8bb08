import { dlopen } from "node:ffi";
import { open, stat } from "node:fs/promises";

/** Source: sys/file.h */
const LOCK_EXCLUSIVE = 2;
const LOCK_AT_ONCE = 4;

/**
 * Locks a file, which is made when it is missing, until the scope ends or this process does, however it ends: no pid that may be somebody else's
 * by now. Source: flock(2)
 *
 * @returns nothing when somebody else has it
 * @throws NodeJS.ErrnoException `ENOENT` where there is no such folder
 */
export async function takeLock(path: string): Promise<AsyncDisposable | undefined> {
  const file = await open(path, "a", 0o600); // closed in every program that is started: O_CLOEXEC is Node's rule
  const { flock } = dlopen("libc.so.6", { flock: { arguments: ["i32", "i32"], return: "i32" } }).functions;
  const taken = flock(file.fd, LOCK_EXCLUSIVE | LOCK_AT_ONCE) === 0;
  const here = await stat(path).catch(() => undefined);
  // A lock on a file that was removed or replaced meanwhile keeps nobody out.
  if (taken && here && here.ino === (await file.stat()).ino) return { [Symbol.asyncDispose]: async () => await file.close() };
  await file.close();
  return undefined;
}
