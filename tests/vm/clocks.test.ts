import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/host/run.ts";
import { API_PORT } from "../../src/layout/api-places.ts";
import { freePort } from "../support/free-port.ts";
import { FULL } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { strangerAsks, workstation } from "./harness/workstation.ts";

const DAY = 86_400;
const LIMIT_MS = 900_000;
const WAITS = /waits for its owner at port 50000; its key is (SHA256:\S{43})/;
/** Beside its own disk. */
const IMAGE = "/dev/disk/by-id/virtio-petrify1";

test(
  "a machine is called, its certificate made anew and its image upgraded after 30 days without power with a certificate that has ended, and again without a clock",
  { skip: FULL ? false : "only in full runs" },
  async (t) => {
    const made = await fixture({ waits: true });
    await using station = await workstation();
    const { done, run: petrify, told, setClockAhead } = station;
    const disk = join(station.folder, "disk.raw");
    await run(["cp", "--sparse=always", made.disk, disk]);
    await writeFile(join(station.folder, "machine.yaml"), "#cloud-config\nhostname: node-7\n");
    const port = await freePort();
    /** @param rtc of its hardware's clock, as QEMU has it */
    const start = async (rtc: string) =>
      await machine(
        { ...made, disk },
        {
          disk: { writes: "keep" },
          beside: [{ path: made.image }],
          forwards: [{ host: port, guest: API_PORT }],
          extra: ["-rtc", `base=${rtc}`],
        },
      );
    const inDays = (days: number): string => new Date(Date.now() + days * DAY * 1000).toISOString().slice(0, 19);
    const upgrade = async (): Promise<void> => {
      const argv = ["-n", "node-7", "upgrade", IMAGE, "--force"];
      const { nodes } = await done<{ readonly nodes: readonly { readonly value: unknown }[] }>(...argv);
      assert.deepEqual(nodes[0]!.value, { outcome: "succeeded", changed: true });
    };
    /** Of a call that works, what is said beside the answer. */
    const heard = async (): Promise<string> => {
      await told("node-7", "version"); // its program may be starting
      await strangerAsks(port, "NodeService/Status");
      const { exitCode, stdout, stderr } = await petrify("-n", "node-7", "version");
      assert.equal(exitCode, 0, stdout);
      return stderr;
    };

    {
      await using booted = await start(inDays(0));
      const [, key] = await booted.vm.waitForConsole(WAITS, { timeoutMs: LIMIT_MS });
      await booted.guest.ready(LIMIT_MS);
      await strangerAsks(port, "NodeService/Status"); // starts its program
      // Whoever makes the certificate is a year behind, so that it has ended by every clock there is: OpenSSL's here is the kernel's.
      setClockAhead(-370 * DAY);
      const address = ["--address", `127.0.0.1:${port}`, "--file", "machine.yaml", "--fingerprint", key!];
      await done("apply-config", "--insecure", "node-7", ...address);
      await booted.guest.check("systemctl poweroff --no-block");
      await booted.vm.exited;
    }
    {
      setClockAhead(30 * DAY);
      await using booted = await start(inDays(30));
      await booted.guest.ready(LIMIT_MS);
      await strangerAsks(port, "NodeService/Status");
      const first = await petrify("-n", "node-7", "version");
      t.diagnostic(`after 30 days: ${first.stderr.trim()}`);
      assert.equal(first.exitCode, 0, first.stdout);
      assert.match(first.stderr, /^warning: node-7: its certificate has expired; its key is the pinned one$/m);
      assert.match(first.stderr, /^node-7: it has a new certificate, until \d{4}-/m);
      assert.doesNotMatch(await heard(), /new certificate/);
      await upgrade();
      await booted.guest.check("systemctl poweroff --no-block");
      await booted.vm.exited;
    }
    // It knows no later time than that of its last moments; by ours two thirds of its certificate's life are over.
    setClockAhead(300 * DAY);
    await using booted = await start("1970-01-01T00:00:00");
    await booted.guest.ready(LIMIT_MS);
    const { exitCode, stdout, stderr } = await petrify("-n", "node-7", "version");
    t.diagnostic(`without a clock: ${stderr.trim()}`);
    assert.equal(exitCode, 0, stdout);
    const [, clock] = /its clock says (\S+); it is called with a certificate of that time/.exec(stderr)!;
    assert.ok(Math.abs(Date.parse(clock!) - Date.parse(inDays(30))) < (DAY / 4) * 1000, String(clock));
    assert.match(stderr, /^node-7: it has a new certificate, until \d{4}-/m);
    await upgrade();
  },
);
