import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { API_PORT } from "../../src/layout/api-places.ts";
import { petrify, workspace } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { statusOf } from "./harness/agent.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const NETWORK =
  '#cloud-config\nhostname: node-7\nnetwork:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
const LIMIT_MS = 240_000;

test("a machine that is given an authority while it runs answers calls over the network, by a program that may do next to nothing", async () => {
  await using desk = await workspace();
  const forward = { host: await freePort(), guest: API_PORT };
  const env = { XDG_CONFIG_HOME: join(desk.folder, "config"), USER: "jo" };
  /** Has to succeed. @returns its result */
  const done = async <Value>(...args: string[]): Promise<Value> => {
    const ran = await petrify([...args, "--json"], { cwd: desk.folder, env, limitMs: LIMIT_MS });
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.events.find(({ type }) => type === "result")!["value"] as Value;
  };
  await done("gen", "secrets");
  await done("context", "add", "edge", "--secrets", "petrify-secrets");

  const made = await fixture();
  await using booted = await machine(made, {
    disk: { patches: await onOem(made, "machine.yaml", NETWORK) },
    forwards: [forward],
  });
  const { guest } = booted;
  await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
  const { fingerprint } = await statusOf(guest);
  assert.equal(await guest.check("systemctl show --value --property=ActiveState petrify-api.socket"), "inactive");
  const authority = (await readFile(join(desk.folder, "petrify-secrets/ca.pem"))).toString("base64");
  await guest.check(`mkdir -p -m 0700 /oem/petrify/api && echo ${authority} | base64 -d >/oem/petrify/api/ca.pem`);
  await guest.check("until systemctl is-active --quiet petrify-api.socket; do sleep 0.2; done");

  await done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint!);
  const version = await done<{ nodes: { value: { machine: { hostname: string }; image: { name: string } } }[] }>(
    ...["-n", "node-7", "version"],
  ).catch(async (error: unknown) => {
    const { output } = await guest.run("journalctl -b -u petrify-api.socket -u petrify-api.path -u petrify-api.service");
    throw new Error(`${(error as Error).message}\n${output}`);
  });
  assert.deepEqual(
    version.nodes.map(({ value: { machine: found, image } }) => [found.hostname, image.name]),
    [["node-7", "petrify-test"]],
  );
  const pid = await guest.check("systemctl show --value --property=MainPID petrify-api.service");
  const own = await guest.check(`cat /proc/${pid}/status`);
  assert.match(own, /^Uid:\t6\d{4}\t/m, "it is nobody in particular");
  assert.match(own, /^CapEff:\t0+$/m);
  assert.match(own, /^Seccomp:\t2$/m);
});
