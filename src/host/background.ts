/** A program of ours that goes on when the command that has started it ends, and its terminal with it. */
import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { AppError, errorDocument, type ErrorDocument } from "../core/error.ts";

/** The one message that the program sends. */
type News = { readonly ready: object } | { readonly error: ErrorDocument };

/**
 * Starts a script with this Node, in a session of its own (setsid(2)), and waits until it says that it is ready.
 *
 * @param argv the script, and what it is given
 * @param log a file for what it prints; emptied first
 * @returns what it says with {@link sayReady}
 * @throws AppError what it says with {@link sayFailed}, `BACKGROUND_ENDED` when it ends before it has said anything; the signal's reason: it is
 *   ended then
 */
export async function startInBackground(
  argv: readonly [string, ...string[]],
  { env, log, signal }: { readonly env: Readonly<Record<string, string>>; readonly log: string; readonly signal: AbortSignal },
): Promise<object> {
  await using output = await open(log, "w", 0o600);
  signal.throwIfAborted();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...argv], {
    ...{ cwd: "/", env, detached: true },
    stdio: ["ignore", output.fd, output.fd, "ipc"],
  });
  const abort = (): void => void child.kill();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const news = await new Promise<News>((resolve, reject) => {
      child.once("message", (message) => resolve(message as News));
      child.once("error", reject);
      child.once("exit", (code, by) => {
        const how = by === null ? `with status ${code}` : `by ${by}`;
        resolve({
          error: { code: "BACKGROUND_ENDED", message: `what runs in the background ended ${how}`, hint: `See ${log}.` },
        });
      });
    });
    signal.throwIfAborted();
    if ("ready" in news) return news.ready;
    const { code, message, hint } = news.error;
    throw new AppError(code, message, hint ? { hint } : {});
  } finally {
    signal.removeEventListener("abort", abort);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** Tells whoever has started this process that it does its work from now on. */
export const sayReady = (ready: object): void => tell({ ready });

/** Tells it why that will not be. */
export const sayFailed = (error: unknown): void => tell({ error: errorDocument(error) });

function tell(news: News): void {
  if (!process.connected) return; // nobody waits any more
  // A channel that is open would keep this process alive.
  process.send?.(news, undefined, undefined, () => process.disconnect?.());
}
