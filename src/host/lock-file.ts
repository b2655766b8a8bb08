import { dlopen } from "node:ffi";
import { close, fstat, open } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

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
  // Closed in every program that is started: O_CLOEXEC is Node's rule. Not a FileHandle: those end with the garbage, and a lock ends with its scope.
  const file = await promisify(open)(path, "a", 0o600);
  const { flock } = dlopen("libc.so.6", { flock: { arguments: ["i32", "i32"], return: "i32" } }).functions;
  const taken = flock(file, LOCK_EXCLUSIVE | LOCK_AT_ONCE) === 0;
  const here = await stat(path).catch(() => undefined);
  // A lock on a file that was removed or replaced meanwhile keeps nobody out.
  if (taken && here && here.ino === (await promisify(fstat)(file)).ino)
    return { [Symbol.asyncDispose]: async () => await promisify(close)(file) };
  await promisify(close)(file);
  return undefined;
}
