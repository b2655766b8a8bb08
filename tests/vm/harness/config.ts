import assert from "node:assert/strict";
import type { ConfigResult } from "../../../src/agent/config/apply-config.ts";
import type { Guest } from "./guest.ts";

/** On a busy machine: parser and compiler are started for it. */
const LIMIT_MS = 240_000;

/** What `petrify config` answers on the machine. @param text on stdin */
export async function configOf<Value = ConfigResult>(guest: Guest, words: string, text?: string): Promise<Value> {
  const input = text === undefined ? "" : `printf %s '${Buffer.from(text).toString("base64")}' | base64 -d | `;
  const { output } = await guest.run(`${input}petrify config ${words} --json`, LIMIT_MS);
  const { value } = JSON.parse(output.trim().split("\n").at(-1)!) as { value?: Value };
  assert.ok(value, `${words}: ${output}`);
  return value;
}
