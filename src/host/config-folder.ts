import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where what a person has set lies: `$XDG_CONFIG_HOME/petrify`, else `~/.config/petrify`.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}: a relative value counts as none
 */
export function defaultConfigFolder(env: Readonly<Record<string, string | undefined>>): string {
  const config = env["XDG_CONFIG_HOME"];
  return join(config && isAbsolute(config) ? config : join(env["HOME"] || homedir(), ".config"), "petrify");
}
