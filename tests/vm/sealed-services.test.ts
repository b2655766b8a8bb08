/** Services of a stock Debian in a sealed image: docs/examples/sealed.yaml. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseRecipe } from "../../src/config/parse-recipe.ts";
import { GiB } from "../../src/core/units.ts";
import { APP_CONTAINER, APP_IMAGE } from "./harness/app.ts";
import { FULL } from "./harness/choice.ts";
import { fixture, SEALED } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const LIMIT_MS = 900_000;
const EXAMPLE = join(import.meta.dirname, "../../docs/examples/sealed.yaml");
const CONFIG = `#cloud-config
hostname: node-7
ntp: { servers: [192.0.2.123] }
write_files:
  - path: /etc/nftables.conf
    content: |
      table inet edge {
        chain input { type filter hook input priority filter; policy accept; ct state invalid counter drop; tcp dport 7 reject with tcp reset; }
      }
${APP_IMAGE}
units: [{ name: nftables.service, enable: true }]
${APP_CONTAINER}
`;

test(
  "nftables, chrony, containerd and podman work in a sealed image that boots by UEFI: rules of the machine config are in force, the clock's program runs, a container runs from an image without a network, again after a restart",
  { skip: FULL ? false : "only in full runs" },
  async () => {
    const { packages, units, sealed, persistent } = parseRecipe(await readFile(EXAMPLE, "utf8"), EXAMPLE);
    const made = await fixture({ ...SEALED, packages, mask: units.mask, sealed: JSON.stringify(sealed), persistent });
    await using booted = await machine(made, {
      ...{ firmware: "uefi", memory: GiB },
      disk: { patches: await onOem(made, "machine.yaml", CONFIG) },
    });
    const { guest } = booted;
    const told = async (script: string): Promise<string> => {
      const { status, output } = await guest.run(script, LIMIT_MS);
      assert.equal(status, 0, output);
      return output;
    };
    const works = async (times: number): Promise<void> => {
      const isRunning = `fs.existsSync("/srv/app/ran") && fs.readFileSync("/srv/app/ran", "utf8") === "ran\\n".repeat(${times})`;
      const log = 'run("journalctl", "-b", "-u", "app.service").output + run("systemctl", "--failed").output';
      assert.equal(
        await told(`for (let n = 0; n < 600; n++) { if (${isRunning}) return "ran"; await wait(500); } return ${log}`),
        "ran",
      );
      assert.equal(
        await told('return run("systemctl", "is-system-running", "--wait").output.trim()'),
        "running",
        await told(`return ${log}`),
      );
      assert.equal(
        await told(
          'return run("systemctl", "is-active", "app", "chrony", "containerd", "nftables", "petrify-sealed").output.trim()',
        ),
        Array(5).fill("active").join("\n"),
      );
      assert.equal(await told('return run("podman", "ps", "--format={{.Names}}").output.trim()'), "app");
      assert.match(
        await told('return run("nft", "list", "ruleset").output'),
        /table inet edge[^]*ct state invalid counter[^]*reject with tcp reset/,
      );
      assert.match(await told('return run("chronyc", "-n", "sources").output'), /192\.0\.2\.123/);
      assert.match(await told('return run("ctr", "version").output'), /Server:\n +Version:/);
      assert.equal(await told('return fs.readFileSync("/proc/sys/kernel/modules_disabled", "utf8").trim()'), "1");
      assert.equal(
        await told('return String(fs.existsSync("/sys/firmware/efi") + " " + fs.existsSync("/bin/sh"))'),
        "true false",
      );
    };
    await guest.ready(LIMIT_MS);
    await works(1);
    await guest.reboot(LIMIT_MS);
    await works(2);
  },
);
