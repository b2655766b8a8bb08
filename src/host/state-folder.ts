import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where what cannot be made again is kept: `$XDG_STATE_HOME/petrify`, else `~/.local/state/petrify`.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}: a relative value counts as none
 */
export function defaultStateFolder(env: Readonly<Record<string, string | undefined>>): string {
  const state = env["XDG_STATE_HOME"];
  return join(state && isAbsolute(state) ? state : join(env["HOME"] || homedir(), ".local/state"), "petrify");
}
