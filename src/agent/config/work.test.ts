import assert from "node:assert/strict";
import { test } from "node:test";
import type { Run } from "../../host/run.ts";
import { configWork, type ConfigWork } from "./work.ts";

for (const [request, isOutside] of [
  [{ do: "apply", documents: [], mode: "auto" }, true],
  [{ do: "apply", documents: [], mode: "dry-run" }, false],
  [{ do: "rollback", mode: "try" }, true],
  [{ do: "confirm" }, true],
  [{ do: "find" }, true],
  [{ do: "network", found: { documents: [], problems: [], waitsForNetwork: false } }, true],
  [{ do: "settle" }, true],
  [{ do: "revert" }, true],
  [{ do: "history" }, false],
  [{ do: "diff" }, false],
  [{ do: "sources", local: true }, true],
] as const satisfies readonly (readonly [ConfigWork, boolean])[]) {
  test(`${request.do} ${"mode" in request ? request.mode : ""} is done ${isOutside ? "outside of" : "in"} the agent's sandbox`, async () => {
    const calls: string[] = [];
    const run: Run = async (argv, { stdin, onLine } = {}) => {
      calls.push(argv.join(" "), stdin ?? "");
      onLine?.("a note of the program's");
      onLine?.('{"changed":true}');
      return await Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    };
    const work = configWork({ run, program: ["node", "config.mjs"], outside: ["systemd-run", "--"] });
    assert.deepEqual(await work(request, new AbortController().signal), { changed: true });
    assert.deepEqual(calls, [isOutside ? "systemd-run -- node config.mjs" : "node config.mjs", JSON.stringify(request)]);
  });
}
