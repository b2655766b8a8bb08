import type { Run } from "./run.ts";

const SERVICE = "org.freedesktop.NetworkManager";
const ASK = [
  "busctl",
  ...["--json=short", "--auto-start=no", "--timeout=5", "get-property"],
  ...[SERVICE, "/org/freedesktop/NetworkManager", SERVICE, "Metered"],
] as const;
/** It is, or NetworkManager guesses so, as of a telephone's. Source: NetworkManager D-Bus API, NMMetered: NM_METERED_YES, NM_METERED_GUESS_YES */
const METERED: ReadonlySet<unknown> = new Set([1, 3]);

/** Whether the bytes of the line to the world cost money, as NetworkManager has it; where nobody knows, they do not. Never throws but the signal's reason. */
export async function isMetered(run: Run, signal: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run([...ASK], { signal });
    return METERED.has((JSON.parse(stdout) as { readonly data?: unknown }).data);
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
