import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { auditLog } from "../../agent/audit-log.ts";
import { auditFiles } from "../../host/audit-files.ts";
import { sha256 } from "../../host/sha256.ts";
import { AUDIT_FOLDER } from "../../layout/audit-log.ts";
import { runOnNode } from "../node-testing.ts";

test("petrify audit shows who has changed what, says whether every byte is as it was written, and compares it with what is known", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-audit-"));
  const at = join(folder.path, AUDIT_FOLDER);
  const none = await runOnNode(folder.path, ["audit", "show"]);
  assert.deepEqual([none.exitCode, none.out], [0, "Nothing was ever changed.\n"]);
  const log = auditLog({ files: auditFiles(at), now: () => 1_700_000_000, sha256, alarm: assert.fail });
  const by = { name: "alice", via: "api", role: "operator", serial: "0A", address: "192.0.2.1" } as const;
  const of = await log.append({ is: "begin", call: "POST /rollback", by, arguments: { restart: true } });
  await log.append({ is: "end", of: of!, outcome: "failed", code: "X", reason: "no room" });

  const { out } = await runOnNode(folder.path, ["audit", "show"]);
  assert.match(out, /^2 +2023-11-14 22:13:20 +alice \(operator, 192\.0\.2\.1\): POST \/rollback \{"restart":true\}$/m);
  assert.match(out, /^3 +2023-11-14 22:13:20 +of 2: failed: no room$/m);
  const whole = await runOnNode(folder.path, ["audit", "verify", "--json"]);
  const { value } = JSON.parse(whole.out) as { value: { whole: boolean; entries: number; head: string } };
  assert.deepEqual([whole.exitCode, value.whole, value.entries], [0, true, 3]);
  assert.equal((await runOnNode(folder.path, ["audit", "verify", "--known", value.head])).exitCode, 0);
  assert.equal((await runOnNode(folder.path, ["audit", "verify", "--known", `3:${"0".repeat(64)}`])).exitCode, 1);
  assert.equal((await runOnNode(folder.path, ["audit", "verify", "--known", "3"])).exitCode, 2);

  const file = join(at, "audit-1");
  await writeFile(file, (await readFile(file, "latin1")).replace("alice", "alicf"), "latin1");
  const changed = await runOnNode(folder.path, ["audit", "verify"]);
  assert.deepEqual([changed.exitCode, /DAMAGED: line 2 of audit-1/.test(changed.out)], [1, true], changed.out);
});
