import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { EventsResponseJson } from "../../src/protocol/petrify/v1/event_pb.ts";

const SRC = join(import.meta.dirname, "../../src");
const JOURNALD = "/lib/systemd/systemd-journald";
const LIMIT_MS = 120_000;

/** A journal of its own, in a /run of its own; what is asked on standard error is no result. */
const SCRIPT = `
mount -t tmpfs tmpfs /run
mkdir -p /run/log/journal
${JOURNALD} </dev/null >/dev/null 2>&1 &
trap "kill $!" EXIT
until [ -S /run/systemd/journal/socket ]; do read -t 0.1 _ </dev/null || :; done
"$1" --input-type=module -e "$2"
# Anybody may write to the journal whatever he likes.
printf 'MESSAGE=forged\\nPETRIFY_EVENT=alarm-raised\\n' | setpriv --reuid 65534 --clear-groups logger --journald
journalctl --sync
journalctl --quiet --output=cat PETRIFY_EVENT=alarm-raised | grep -q forged
"$1" --input-type=module -e "$3"
`;
const WRITES = `
import { openEventLog } from "${SRC}/host/event-log.ts";
const log = openEventLog("petrifyd", { write: (text) => { throw new Error(text); } });
log(6, "slot a runs", { kind: "boot-started", boot: { slot: "a", version: "1.4.0" } });
log(3, "no oem\\nPETRIFY_EVENT=slot-proven", { kind: "alarm-raised", alarm: { code: "PARTITION_OEM" } });
log(6, "in place", { kind: "config-applied", config: { generation: 12, mode: "auto" } });
`;
const READS = `
import { LOOK_CALLS } from "${SRC}/agent/look/calls.ts";
import { runLines } from "${SRC}/host/run-lines.ts";
const asked = async (request) =>
  (await Array.fromAsync(LOOK_CALLS["EventService.Events"](request, { runLines }, new AbortController().signal)));
const all = await asked({});
const [{ cursor }] = await asked({ kinds: ["EVENT_KIND_BOOT_STARTED"] });
console.log(JSON.stringify({
  all,
  behind: await asked({ after: cursor }),
  last: await asked({ last: 1 }),
  later: await asked({ since: "2099-01-01T00:00:00Z" }),
}));
`;

const canRun = async (): Promise<boolean> => {
  const run = promisify(execFile);
  try {
    await Promise.all([JOURNALD, "/etc/machine-id"].map(async (path) => await access(path)));
    await run("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"]);
    return true;
  } catch {
    return false;
  }
};

test("a real journal keeps events as they are told, and none that anybody but root has written", async (t) => {
  if (!(await canRun())) return t.skip("no journal of systemd's can be started here");
  const args = ["--mount", "bash", "-ec", SCRIPT, "bash", process.execPath, WRITES, READS];
  const { stdout } = await promisify(execFile)("unshare", args, { timeout: LIMIT_MS });
  const { all, behind, last, later } = JSON.parse(stdout) as Readonly<Record<string, readonly EventsResponseJson[]>>;
  const told = (answers: readonly EventsResponseJson[] | undefined) =>
    answers!.flatMap(({ events = [] }) =>
      events.map(({ kind, text, severity, boot, alarm, config }) => [kind, severity, text, boot ?? alarm ?? config]),
    );
  const events = [
    ["EVENT_KIND_BOOT_STARTED", "PRIORITY_INFORMATION", "slot a runs", { slot: "a", version: "1.4.0" }],
    ["EVENT_KIND_ALARM_RAISED", "PRIORITY_ERROR", "no oem\nPETRIFY_EVENT=slot-proven", { code: "PARTITION_OEM" }],
    ["EVENT_KIND_CONFIG_APPLIED", "PRIORITY_INFORMATION", "in place", { generation: "12", mode: "auto" }],
  ];
  assert.deepEqual(told(all), events);
  assert.deepEqual(told(behind), events.slice(1));
  assert.deepEqual(told(last), events.slice(2));
  assert.deepEqual(told(later), []);
});
