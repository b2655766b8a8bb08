import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fakeAuthority, fakeMachine, fakeStatus } from "../../agent/api/testing.ts";
import { openApi, type ApiOptions } from "../../agent/api/open-api.ts";
import type { AskProgram } from "../../agent/api/ask-program.ts";
import type { HistoryEntry } from "../../agent/operations/service.ts";
import type { AgentStatus } from "../../agent/status.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { identityOf } from "../../pki/identity.ts";
import { runForTest, type Ran } from "../testing.ts";

const HOST = "127.0.0.1";
const UNWELL: Pick<AgentStatus, "health" | "alarms"> = {
  health: { is: "unhealthy", checks: [{ name: "web", ok: false, reason: "connection refused" }] },
  alarms: [{ code: "X", message: "somebody\u001b[2J should look" }],
};

const PAST: HistoryEntry = {
  ...{ id: "0badcafe", kind: "upgrade", target: "slot b", from: { slot: "a", version: "1.4.0" }, cause: "asked for by root" },
  ...{ startedAt: 1_767_225_600, endedAt: 1_767_225_900, outcome: "fell back", reason: "not healthy\u001b[2J in time" },
  ...{ image: { name: "edge", version: "1.5.0" }, hint: "Look.", log: { source: "journal", text: `${"x".repeat(9000)}|` } },
};
const agent: AskProgram = async function* (_method, url) {
  if (url === "/history") yield await Promise.resolve({ operations: [PAST] });
};

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-nodes-"));
  const cwd = folder.path;
  const servers: AsyncDisposable[] = [];
  const petrify = async (...args: string[]): Promise<Ran> => await runForTest(args, { cwd, env: { USER: "jo" } });
  const petrifyIn = async (days: number, ...args: string[]): Promise<Ran> =>
    await runForTest(args, { cwd, env: { USER: "jo" }, now: () => secondsNow() + days * 86_400 });
  return {
    cwd,
    file: (name: string) => join(cwd, name),
    read: async (name: string) => await readFile(join(cwd, name), "utf8"),
    petrify,
    /** By a clock that is so many days ahead. */
    petrifyIn,
    /** Has to succeed. */
    done: async (...args: string[]): Promise<string> => {
      const { exitCode, out, err } = await petrify(...args);
      assert.equal(exitCode, 0, `${args.join(" ")}: ${out}${err}`);
      return out;
    },
    /** Has to fail. @returns the code */
    fails: async (...args: string[]): Promise<string> => {
      const { exitCode, out } = await petrify(...args, "--json");
      assert.notEqual(exitCode, 0, args.join(" "));
      return (JSON.parse(out.trim().split("\n").at(-1)!) as { code: string }).code;
    },
    /** @returns its port */
    machine: async (options: Pick<ApiOptions, "key" | "certificate" | "authorities" | "dial">): Promise<number> => {
      const api = await openApi({
        ...{ at: { host: HOST, port: 0 }, epoch: 0, now: secondsNow, log: () => {}, ask: agent, ...options },
        answers: {
          version: "1.2.3",
          status: async () => await Promise.resolve({ ...fakeStatus, ...UNWELL }),
          operation: async function* () {},
          look: async function* () {},
        },
      });
      servers.push(api);
      return api.port;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map(async (server) => await server[Symbol.asyncDispose]()));
      await folder.remove();
    },
  };
}
const whoIs = (pem: string) => identityOf({ ...new X509Certificate(pem).toLegacyObject().subject });

suite("petrify gen", () => {
  test("secrets: only their owner may read them, and nothing is overwritten", async () => {
    await using at = await desk();
    await at.done("gen", "secrets", "--output", "s");
    const names = ["admin.key", "admin.pem", "ca.key", "ca.pem", "epoch", "recovery-token"];
    assert.deepEqual((await readdir(at.file("s"))).toSorted(), names);
    for (const name of names) assert.equal((await stat(at.file(`s/${name}`))).mode & 0o777, 0o600, name);
    assert.equal((await stat(at.file("s"))).mode & 0o777, 0o700);
    assert.match(await at.read("s/recovery-token"), /^[0-9A-Z]{4}(-[0-9A-Z]{4}){5}\n$/);
    const [ca, admin] = [await at.read("s/ca.pem"), await at.read("s/admin.pem")].map((pem) => new X509Certificate(pem));
    assert.ok(ca!.ca && !admin!.ca && admin!.verify(ca!.publicKey) && admin!.checkIssued(ca!));
    assert.deepEqual(whoIs(await at.read("s/admin.pem")), { name: "admin", role: "admin", epoch: 1 });
    const before = await at.read("s/ca.key");
    assert.equal(await at.fails("gen", "secrets", "--output", "s"), "SECRETS_EXIST");
    assert.equal(await at.read("s/ca.key"), before);
    assert.deepEqual(await readdir(at.cwd), ["s"], "nothing is left beside it");
  });

  test("certificate: a name, a role, and an end", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("gen", "certificate", "alice", "--role", "operator", "--hours", "2");
    assert.deepEqual(whoIs(await at.read("alice.pem")), { name: "alice", role: "operator", epoch: 1 });
    const { validToDate } = new X509Certificate(await at.read("alice.pem"));
    assert.ok(Math.abs(validToDate.getTime() / 1000 - secondsNow() - 7200) < 60);
    assert.equal((await stat(at.file("alice.key"))).mode & 0o777, 0o600);
    await writeFile(at.file("petrify-secrets/epoch"), "7\n");
    await at.done("gen", "certificate", "bob");
    assert.deepEqual(whoIs(await at.read("bob.pem")), { name: "bob", role: "reader", epoch: 7 });
    assert.equal(await at.fails("gen", "certificate", "alice"), "FILE_EXISTS");
    assert.equal(await at.fails("gen", "certificate", "a\nb"), "NAME_INVALID");
    assert.equal(await at.fails("gen", "certificate", "eve", "--role", "root"), "USAGE");
    assert.equal(await at.fails("gen", "certificate", "eve", "--secrets", "nowhere"), "SECRETS_INVALID");
    await writeFile(at.file("petrify-secrets/ca.key"), await at.read("alice.key"));
    assert.equal(await at.fails("gen", "certificate", "eve"), "SECRETS_INVALID");
  });
});

suite("petrify gen node-certificate", () => {
  test("vouches for the public half of a key, by name and address", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    const { key, fingerprint } = await fakeMachine();
    await writeFile(at.file("m.pub"), createPublicKey(key).export({ type: "spki", format: "pem" }));
    const args = ["gen", "node-certificate", "edge-7", "--public-key", "m.pub"];
    assert.match(await at.done(...args, "--address", HOST, "edge-7.example"), new RegExp(RegExp.escape(fingerprint)));
    const authorities = await at.read("petrify-secrets/ca.pem");
    const port = await at.machine({ key, authorities, certificate: await at.read("edge-7.pem") });
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    assert.match(await at.done("-n", `${HOST}:${port}`, "version"), /edge 1\.4\.0/);
    assert.equal(await at.fails(...args), "FILE_EXISTS");
    assert.equal(await at.fails("gen", "node-certificate", "a b", "--public-key", "m.pub"), "ADDRESS_INVALID");
    assert.equal(await at.fails("gen", "node-certificate", "edge-8", "--public-key", "edge-7.pem"), "KEY_INVALID");
  });
});

suite("petrify context", () => {
  test("adds, uses, lists and removes, in a file that only its owner may read", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "one", "--secrets", "petrify-secrets");
    await at.done("context", "add", "two", "--secrets", "petrify-secrets", "--user", "ci", "--role", "reader");
    const file = ".config/petrify/contexts.json";
    assert.equal((await stat(at.file(file))).mode & 0o777, 0o600);
    assert.match(await at.done("context", "list"), /^\* +one +jo \(admin\) +0\n +two +ci \(reader\) +0$/m);
    await at.done("context", "use", "two");
    assert.match(await at.done("context", "list"), /^\* +two/m);
    assert.equal(await at.fails("context", "add", "two", "--secrets", "petrify-secrets"), "CONTEXT_EXISTS");
    assert.equal(await at.fails("context", "use", "three"), "NO_CONTEXT");
    await at.done("context", "remove", "two");
    assert.equal(await at.fails("-n", "x", "version"), "NO_CONTEXT");
    await at.done("context", "use", "one");
    assert.equal(await at.fails("context", "add", "__proto__", "--secrets", "petrify-secrets"), "CONTEXT_NAME_INVALID");
  });

  test("a file that is damaged, or of a newer petrify, is left alone", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "one", "--secrets", "petrify-secrets");
    const file = at.file(".config/petrify/contexts.json");
    for (const [text, code] of [
      ["{", "CONTEXTS_INVALID"],
      ['{"format":1,"contexts":{"a":{}}}', "CONTEXTS_INVALID"],
      ['{"format":2}', "CONTEXTS_NEWER"],
    ] as const) {
      await writeFile(file, text);
      assert.equal(await at.fails("context", "add", "two", "--secrets", "petrify-secrets"), code);
      assert.equal(await readFile(file, "utf8"), text);
    }
  });

  test("list shows no key", async () => {
    await using at = await desk();
    await at.done("gen", "secrets", "--output", "s");
    await at.done("context", "add", "one", "--ca", "s/ca.pem", "--certificate", "s/admin.pem", "--key", "s/admin.key");
    const out = await at.done("context", "list", "--json");
    assert.doesNotMatch(out, /BEGIN/);
  });
});

suite("petrify context node", () => {
  test("adds, labels, lists and forgets machines", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const node = async (...args: string[]): Promise<string> => await at.done("context", "node", ...args);
    assert.match(await node("list"), /knows no such machine/);
    await node("add", "edge-7", "--address", "192.0.2.7", "--label", "site=berlin", "--label", "ring=canary");
    await node("add", "edge-8", "--label", "site=paris");
    assert.match(await node("label", "edge-8", "site=rome", "test=", "ring-"), /^edge-8: site=rome,test=$/m);
    assert.match(await node("list"), /^edge-7 +192\.0\.2\.7 +- +ring=canary,site=berlin\nedge-8 +edge-8 +- +site=rome,test=$/m);
    for (const args of [
      ["-l", "!test"],
      ["--selector", "site=berlin,ring", "-l", "!test"],
    ])
      assert.deepEqual([...(await node("list", ...args)).matchAll(/^edge-\d/gm)].join(), "edge-7");
    assert.match(await node("add", "edge-7", "--label", "site=berlin", "--json"), /"address":"192.0.2.7".*"changed":false/);
    await node("remove", "edge-8");
    for (const args of [
      ["label", "edge-8", "a=b"],
      ["remove", "edge-8"],
    ])
      assert.equal(await at.fails("context", "node", ...args), "NO_NODE");
    assert.equal(await at.fails("context", "node", "label", "edge-7", "a b=c"), "LABEL_INVALID");
    assert.equal(await at.fails("context", "node", "add", "edge-9", "--key", "x"), "FINGERPRINT_INVALID");
  });
});

suite("petrify -l and --all", () => {
  test("choose machines by labels, or all that the context knows", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const authorities = await at.read("petrify-secrets/ca.pem");
    assert.equal(await at.fails("--all", "version"), "NO_NODES");
    for (const [name, site] of [
      ["one", "berlin"],
      ["two", "berlin"],
      ["three", "paris"],
    ] as const) {
      const { fingerprint, ...pair } = await fakeMachine();
      const address = `${HOST}:${await at.machine({ ...pair, authorities })}`;
      await at.done("context", "node", "add", name, "--address", address, "--key", fingerprint, "--label", `site=${site}`);
    }
    const asked = async (...args: string[]): Promise<string> =>
      [...(await at.done(...args, "version")).matchAll(/^(\w+) +edge-7/gm)].map(([, name]) => name).join();
    assert.equal(await asked("--all"), "one,two,three");
    assert.equal(await asked("-l", "site=berlin"), "one,two");
    assert.equal(await asked("-l", "site=berlin", "-l", "site!=paris"), "one,two");
    assert.equal(await at.fails("-l", "site=rome", "version"), "NO_NODES");
    assert.equal(await at.fails("-l", "a b", "version"), "SELECTOR_INVALID");
    for (const both of [
      ["-n", "one", "--all"],
      ["-n", "one", "-l", "site"],
      ["-l", "site", "--all"],
    ])
      assert.equal(await at.fails(...both, "version"), "USAGE", both.join(" "));
  });

  test("answer in one form, also for a single machine that fails", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    await at.done("context", "node", "add", "gone", "--address", `${HOST}:1`, "--label", "site=berlin");
    const { exitCode, out } = await at.petrify("-l", "site=berlin", "version", "--json");
    assert.equal(exitCode, 1);
    assert.match(out, /^\{"type":"result","value":\{"nodes":\[\{"node":"gone","error":\{"code":"NODE_UNREACHABLE"/);
  });

  test("are other commands' own where they have such an option, and else refused", async () => {
    await using at = await desk();
    assert.equal(await at.fails("clean", "--all"), "USAGE");
    assert.equal(await at.fails("clean", "-l", "site"), "USAGE");
    await at.done("releases", "oci:nowhere", "--all");
  });
});

suite("petrify context endpoint", () => {
  test("leads to all other machines of the context, until there is none", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const authorities = await at.read("petrify-secrets/ca.pem");
    const hosts = { "edge-7.inside": await fakeMachine(), "edge-8.inside": await fakeMachine() };
    const ports = new Map<string, number>();
    for (const [name, { fingerprint, ...pair }] of Object.entries(hosts)) {
      ports.set(name, await at.machine({ ...pair, authorities }));
      await at.done("context", "node", "add", name, "--key", fingerprint);
    }
    const reached: string[] = [];
    const { fingerprint, ...pair } = await fakeMachine();
    const dial: ApiOptions["dial"] = async ({ host }) => {
      reached.push(host);
      return await Promise.resolve(connect({ host: HOST, port: ports.get(host)! }));
    };
    const address = `${HOST}:${await at.machine({ ...pair, authorities, dial })}`;
    await at.done("context", "node", "add", "edge-1", "--address", address, "--key", fingerprint);
    assert.match(await at.done("context", "endpoint", "edge-0.invalid", "edge-1"), /through edge-0\.invalid, edge-1/);
    const out = await at.done("--all", "version");
    for (const name of ["edge-1", "edge-7.inside", "edge-8.inside"]) assert.match(out, new RegExp(`^${name} +edge-7`, "m"));
    assert.deepEqual(reached.toSorted(), Object.keys(hosts));
    assert.match(await at.done("context", "endpoint", "edge-0.invalid", "edge-1", "--json"), /"changed":false/);
    await at.done("context", "endpoint", "--none");
    assert.equal(await at.fails("-n", "edge-7.inside", "version"), "NODE_UNREACHABLE");
    for (const args of [[], ["edge-1", "--none"]]) assert.equal(await at.fails("context", "endpoint", ...args), "USAGE");
    assert.equal(await at.fails("context", "endpoint", "a b"), "ADDRESS_INVALID");
  });
});

suite("petrify -n", () => {
  test("asks a machine whose key was pinned, with a certificate that is made for the command", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const { fingerprint, ...pair } = await fakeMachine();
    const port = await at.machine({ ...pair, authorities: await at.read("petrify-secrets/ca.pem") });
    const address = `${HOST}:${port}`;
    assert.equal(await at.fails("-n", address, "version"), "NODE_UNKNOWN");
    await at.done("context", "pin", "edge-7", "--address", address, "--key", fingerprint);
    assert.match(await at.done("-n", "edge-7", "version"), /^edge-7 +edge-7 +edge 1\.4\.0 +1\.2\.3$/m);
    const text = await at.done("-n", "edge-7", "status");
    assert.match(text, /^edge-7 +edge-7 +edge 1\.4\.0 +slot a \(active, proven\) +unhealthy +1$/m);
    assert.match(text, /^edge-7: web: connection refused\nedge-7: somebody \[2J should look$/m);
    const [line] = (await at.done("status", "--node", "edge-7", "--json")).trim().split("\n");
    const { value } = JSON.parse(line!) as { value: { nodes: { value: { running: string } }[] } };
    assert.equal(value.nodes[0]!.value.running, "BOOT_TARGET_A");
    assert.match(await at.done("-n", "edge-7", "health"), /^edge-7 +unhealthy +web +connection refused$/m);
    assert.match(await at.done("-n", "edge-7", "health", "--json"), /"value":\{"state":"HEALTH_STATE_UNHEALTHY"/);
    const history = await at.done("-n", "edge-7", "history");
    assert.match(history, /^edge-7 +2026-01-01 00:00:00 +upgrade +edge 1\.5\.0 +slot b +fell back +not healthy \[2J in time$/m);
    assert.match(await at.done("-n", "edge-7", "history", "--json"), /"hint":"Look\.".*"log":"x{8191}\|"/);
    assert.match(await at.done("context", "pin", "edge-7", "--key", fingerprint, "--json"), /"changed":false/);
  });

  test("asks several machines at a time; those that fail are told apart, and decide the exit code", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const authorities = await at.read("petrify-secrets/ca.pem");
    const good = await fakeMachine();
    await at.done(
      "context",
      "pin",
      "good",
      "--address",
      `${HOST}:${await at.machine({ ...good, authorities })}`,
      "--key",
      good.fingerprint,
    );
    const other = await at.machine({ ...(await fakeMachine()), authorities });
    await at.done("context", "pin", "bad", "--address", `${HOST}:${other}`, "--key", good.fingerprint);
    const { exitCode, out } = await at.petrify("-n", "good,bad,127.0.0.1:1", "version");
    assert.equal(exitCode, 1);
    assert.match(out, /^good +edge-7/m);
    assert.match(out, /^bad: what answers as bad has another key/m);
    assert.match(out, /^127\.0\.0\.1:1: 127\.0\.0\.1 does not answer at port 1/m);
  });

  test("reaches a machine whose clock is weeks behind, and says so", async () => {
    await using at = await desk();
    await at.done("gen", "secrets");
    await at.done("context", "add", "edge", "--secrets", "petrify-secrets");
    const { fingerprint, ...pair } = await fakeMachine();
    const address = `${HOST}:${await at.machine({ ...pair, authorities: await at.read("petrify-secrets/ca.pem") })}`;
    await at.done("context", "pin", "edge-7", "--address", address, "--key", fingerprint);
    const { exitCode, out, err } = await at.petrifyIn(30, "-n", "edge-7", "version");
    assert.equal(exitCode, 0, err);
    assert.match(out, /^edge-7 +edge-7 +edge 1\.4\.0/m);
    assert.match(err, /^warning: edge-7: its clock says .*Z; it is called with a certificate of that time$/m);
  });

  test("is told that a machine's clock is behind, without the authority's key", async () => {
    await using at = await desk();
    const fleet = await fakeAuthority();
    const port = await at.machine({ ...(await fleet.machine(HOST)), authorities: fleet.certificate });
    const { certificate, key } = await fleet.person({}, { since: 24 });
    for (const [name, text] of Object.entries({ "ca.pem": fleet.certificate, "a.pem": certificate, "a.key": key }))
      await writeFile(at.file(name), text);
    await at.done("context", "add", "edge", "--ca", "ca.pem", "--certificate", "a.pem", "--key", "a.key");
    assert.equal(await at.fails("-n", `${HOST}:${port}`, "version"), "NODE_CLOCK_NOT_SET");
  });

  test("works with files that somebody else has made; an expired certificate is told of before anybody is asked", async () => {
    await using at = await desk();
    const fleet = await fakeAuthority();
    const port = await at.machine({ ...(await fleet.machine(HOST)), authorities: fleet.certificate });
    await writeFile(at.file("ca.pem"), fleet.certificate);
    for (const [name, since] of [
      ["good", 0],
      ["old", -24],
    ] as const) {
      const { certificate, key } = await fleet.person({ role: "reader" }, { since });
      await writeFile(at.file(`${name}.pem`), certificate);
      await writeFile(at.file(`${name}.key`), key);
      await at.done("context", "add", name, "--ca", "ca.pem", "--certificate", `${name}.pem`, "--key", `${name}.key`);
    }
    assert.match(await at.done("-n", `${HOST}:${port}`, "version"), /edge 1\.4\.0/);
    assert.equal(await at.fails("-n", `${HOST}:${port}`, "version", "--context", "old"), "CERTIFICATE_EXPIRED");
    assert.equal(await at.fails("--context", "old", "-n", `${HOST}:${port}`, "version"), "CERTIFICATE_EXPIRED");
    const shown = await at.done("context", "list");
    assert.match(
      shown,
      /^\* +good +\w+ \(reader\), until 20\S+ \S+ UTC +0\n +old +\w+ \(reader\), over since 20\S+ \S+ UTC +0$/m,
    );
  });

  test("is for commands that are for machines", async () => {
    await using at = await desk();
    assert.equal(await at.fails("-n", "edge-7", "clean"), "USAGE");
    assert.equal(await at.fails("version"), "USAGE");
    assert.equal(await at.fails("-n", "a,,b", "version"), "USAGE");
  });
});
