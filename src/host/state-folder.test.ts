import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultStateFolder } from "./state-folder.ts";

const cases: readonly [what: string, env: Readonly<Record<string, string>>, folder: string][] = [
  ["is the user's choice", { XDG_STATE_HOME: "/state", HOME: "/home/me" }, "/state/petrify"],
  ["is below the home, else", { HOME: "/home/me" }, "/home/me/.local/state/petrify"],
  ["does not follow a relative choice", { XDG_STATE_HOME: "state", HOME: "/home/me" }, "/home/me/.local/state/petrify"],
];
for (const [what, env, folder] of cases) {
  test(`the state folder ${what}`, () => assert.equal(defaultStateFolder(env), folder));
}
