import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where what can be made again is kept: `$XDG_CACHE_HOME/petrify`, else `~/.cache/petrify`.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}: a relative value counts as none
 */
export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const cache = env["XDG_CACHE_HOME"];
  return join(cache && isAbsolute(cache) ? cache : join(env["HOME"] || homedir(), ".cache"), "petrify");
}
