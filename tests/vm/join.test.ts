/** A machine that nobody has to be there for: it joins by a token of its config, and is given back by its recovery token. docs/concepts/pki.md */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { API_PORT } from "../../src/layout/api-places.ts";
import type { AuditEntry } from "../../src/layout/audit-log.ts";
import type { CliEvent } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { statusOf } from "./harness/agent.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";
import { addOwner, workstation } from "./harness/workstation.ts";

const LIMIT_MS = 600_000;
/** The machine of the tests, as the guest reaches it. */
const HOST = "10.0.2.2";
const configOf = (port: number, token: string): string => `#cloud-config
hostname: node-7
network:
  version: 2
  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }
api: { authority: "${HOST}:${port}", join: ${token} }
`;

test(
  "a machine with a join token is its authority's once it has booted, and another owner's by its recovery token",
  {
    skip: inTurn(1),
  },
  async () => {
    await using desk = await workstation();
    const port = await freePort();
    await using signer = await signing(desk, port);
    const { token, id } = await desk.done<{ token: string; id: string }>("ca", "token", "create", "--secrets", "edge");

    const forward = { host: await freePort(), guest: API_PORT };
    const address = `127.0.0.1:${forward.host}`;
    const made = await fixture();
    await using booted = await machine(made, {
      disk: { patches: await onOem(made, "machine.yaml", configOf(port, token)) },
      ...{ forwards: [forward], online: true },
    });
    const { guest } = booted;
    await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
    await guest.run("until test -e /oem/petrify/api/node.pem; do sleep 0.5; done", LIMIT_MS);
    await guest.check(
      "until systemctl show --value --property=ActiveState petrify-authority.service | grep -q inactive; do sleep 0.2; done",
    );
    const journal = await guest.check("journalctl --no-pager -o cat -t petrify-authority -u petrify-authority");
    assert.match(journal, new RegExp(`has joined with the token ${id}`));
    assert.ok(!journal.includes(token.split(".")[1]!), "the token is a secret");
    const { fingerprint } = await statusOf(guest);
    assert.partialDeepStrictEqual(signer.signed, [
      { type: "signed", is: "machine", name: "node-7", key: fingerprint, token: id },
    ]);
    const unit = await guest.check("systemctl show --property=Result,DynamicUser petrify-authority.service");
    assert.deepEqual(unit.split("\n").toSorted(), ["DynamicUser=yes", "Result=success"]);
    assert.equal(await guest.check("systemctl is-active petrify-authority.timer"), "active");
    await desk.done("context", "pin", "node-7", "--address", address, "--key", fingerprint!);
    const version = await desk.told<{ machine: { hostname: string } }>("node-7", "version");
    assert.equal(version.machine.hostname, "node-7");

    const recovery = (await readFile(join(desk.folder, "edge/recovery-token"), "utf8")).trim();
    assert.match((await guest.run("echo 0000 | petrify enrol --recovery-token --json")).output, /RECOVERY_TOKEN_WRONG/);
    await desk.told("node-7", "version");
    const given = await guest.check(`echo ${recovery.toLowerCase()} | petrify enrol --recovery-token`);
    assert.match(given, /waits for an owner that has its recovery token/);
    assert.ok(given.includes(fingerprint!));

    await addOwner(desk, "next");
    const asOwner = ["apply-config", "--insecure", "node-7", "--address", address, "--fingerprint", fingerprint!];
    const apply = [...asOwner, "--context", "next"];
    assert.equal(await desk.failed(...apply), "RECOVERY_TOKEN_NEEDED");
    await writeFile(join(desk.folder, "token"), recovery);
    const owned = await desk.done<{ changed: boolean }>(...apply, "--recovery-token-file", "token");
    assert.equal(owned.changed, true);
    const { entries } = await desk.told<{ entries: readonly AuditEntry[] }>("node-7", "audit", "show", "--context", "next");
    assert.deepEqual(
      entries.flatMap((entry) => (entry.is === "begin" ? [`${entry.by.name} ${entry.call}`] : [])),
      ["petrify-authority POST /join", ...Array(2).fill("root POST /give-back"), ...Array(2).fill("somebody POST /enrol")],
    );
    assert.equal(await desk.failed("-n", "node-7", "version", "--context", "edge"), "NODE_HUNG_UP");
  },
);

/** `petrify ca serve`, and what it has said that it signs. */
async function signing(
  desk: Awaited<ReturnType<typeof workstation>>,
  port: number,
): Promise<AsyncDisposable & { readonly signed: readonly CliEvent[] }> {
  const stop = Promise.withResolvers<() => void>();
  const signed: CliEvent[] = [];
  const serving = desk.runTelling(
    (event, interrupt) => {
      if (event.type === "serving") stop.resolve(interrupt);
      else signed.push(event);
    },
    ...["ca", "serve", "--secrets", "edge", "--listen", `127.0.0.1:${port}`],
  );
  const interrupt = await stop.promise;
  return {
    signed,
    [Symbol.asyncDispose]: async () => {
      interrupt();
      await serving;
    },
  };
}
