import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { fakeMachine } from "../../agent/api/testing.ts";
import { keepCertificate } from "../../agent/authority/keep-certificate.ts";
import { serveApiProgram } from "../../agent/api-socket.ts";
import { JOIN, openEnrolment } from "../../agent/enrolment.ts";
import { certificateRequest, enrolRequest } from "../../agent/operations/wire.ts";
import { openOwnership, RENEW } from "../../agent/ownership.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { DAY, desk, HOUR } from "../../../tests/support/signing-desk.ts";

const { signal } = new AbortController();
type Desk = Awaited<ReturnType<typeof desk>>;

async function tokenOf(at: Desk, ...more: readonly string[]): Promise<string> {
  const { out } = await at.done(["ca", "token", "create", ...more]);
  return out.trim();
}

/** A machine without an owner whose config names the authority; its agent's part is real. */
async function machineAt(at: Desk, hostname: string, token: string | undefined) {
  const own = await fakeMachine();
  const folder = join(at.cwd, `api-of-${hostname}-${own.fingerprint.slice(7, 15).replaceAll("/", "_")}`);
  await mkdir(folder);
  const log: string[] = [];
  const means = { fingerprint: () => own.fingerprint, log: () => {}, folder, uptime: () => 0, givenBack: `${folder}-given-back` };
  const config = { apply: async () => await Promise.reject(new Error("a config was applied")) };
  const perhaps = async (name: string): Promise<string | undefined> =>
    await readFile(join(folder, name), "utf8").catch(() => undefined);
  const [enrolment, ownership] = [await openEnrolment({ ...means, config }), openOwnership(means)];
  let waited = 0;
  /** As the timer starts it. @param ahead days */
  const ask = async (ahead = 0, lost = false): Promise<string> => {
    log.length = 0;
    await keepCertificate(
      {
        settings: { authority: at.address, ...(token === undefined ? {} : { join: token }) },
        ...{ own, hostname, authorities: await perhaps("ca.pem"), certificate: await perhaps("node.pem") },
        agent: {
          replaceCertificate: async (certificate) => await ownership.replaceCertificate(certificate),
          enrol: async (request) => {
            if (lost) throw new Error("power was cut");
            await enrolment.enrol(request, signal);
          },
        },
        ...{ now: () => secondsNow() + ahead * DAY, random: () => 0, log: (line) => void log.push(line) },
        wait: async (ms) => await Promise.resolve(void (waited += ms)),
      },
      signal,
    );
    return log.join("\n");
  };
  return { ...own, ask, isOwned: enrolment.isEnrolled, perhaps, waited: () => waited };
}

const listed = async (at: Desk): Promise<readonly { readonly state: string; readonly joined: readonly unknown[] }[]> => {
  const { out } = await at.done(["ca", "token", "list", "--json"]);
  return (JSON.parse(out) as { value: { tokens: readonly { state: string; joined: readonly unknown[] }[] } }).value.tokens;
};

suite("a machine with a join token", () => {
  test("becomes the authority's by itself, counts once, and is renewed from then on", async () => {
    await using at = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(at, "--label", "shop 12"));
    assert.match(await machine.ask(), /^this machine is 127\.0\.0\.1's: it has joined with the token 00000000$/);
    assert.ok(machine.isOwned());
    assert.equal(await machine.perhaps("ca.pem"), at.authorities);
    assert.equal(await machine.perhaps("epoch"), "1\n");
    const made = new X509Certificate((await machine.perhaps("node.pem"))!);
    assert.equal(made.subjectAltName, "DNS:edge-7");
    assert.match(await machine.ask(), /^its certificate is renewed from 20/);
    assert.match((await at.done(["ca", "token", "list"])).out, /^00000000 {2}used up {2}1 of 1 +20\S+ \S+ +edge-7 +shop 12$/m);
    assert.partialDeepStrictEqual(at.lines().at(-1), {
      type: "signed",
      token: "00000000",
      name: "edge-7",
      key: machine.fingerprint,
    });

    at.later(300 * DAY);
    assert.match(await machine.ask(300), /^this machine has a new certificate, until 20/);
    assert.notEqual(await machine.perhaps("node.pem"), made.toString());
  });

  test("that was off until its certificate was over is renewed when it comes back, whatever its own clock says then", async () => {
    await using at = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(at));
    await machine.ask();
    at.later(395 * DAY);
    // In 1970 it does not know that it is late; once its clock is set, it does.
    const [none, renewed] = [await machine.ask(-secondsNow() / DAY), await machine.ask(395)];
    assert.match(none, /^its certificate is renewed from/);
    assert.match(renewed, /^this machine has a new certificate/);
  });

  test("joins while its clock says 1970", async () => {
    await using at = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(at));
    assert.match(await machine.ask(-secondsNow() / DAY), /has joined/);
  });

  test("may ask again where the answer was lost, and counts once", async () => {
    await using at = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(at));
    assert.match(await machine.ask(0, true), /power was cut/);
    assert.equal(machine.isOwned(), false);
    at.later(HOUR);
    assert.match(await machine.ask(), /has joined/);
    assert.equal((await listed(at))[0]?.joined.length, 1);
  });

  test("is one of as many as the token is for, also where two come at once for its last use", async () => {
    await using at = await desk();
    const token = await tokenOf(at, "--uses", "2");
    const machines = await Promise.all(["a", "b", "c", "d"].map(async (name) => await machineAt(at, name, token)));
    const said = await Promise.all(machines.map(async (machine) => await machine.ask()));
    assert.equal(machines.filter((machine) => machine.isOwned()).length, 2);
    assert.equal(said.filter((line) => line.includes("was for 2 machines")).length, 2);
    assert.equal((await listed(at))[0]?.joined.length, 2);
  });

  test("is refused with one that another machine has used up, that has expired, or was revoked", async () => {
    await using at = await desk();
    const token = await tokenOf(at, "--ttl", "1h");
    await (await machineAt(at, "edge-7", token)).ask();
    const other = await machineAt(at, "edge-8", token);
    assert.match(await other.ask(), /was for 1 machines\): it is asked again in an hour$/);
    at.later(HOUR);
    assert.match(await other.ask(), /has expired/);
    assert.match((await at.done(["ca", "token", "revoke", "00000000"])).out, /is taken back/);
    assert.match((await at.done(["ca", "token", "revoke", "00000000"])).out, /There is no token/);
    assert.match(await other.ask(), /there is no such join token/);
    assert.equal(other.isOwned(), false);
    assert.deepEqual(await readdir(join(at.cwd, "petrify-secrets/tokens")), []);
  });

  test("is refused with a token whose secret is another one, as with one that there is not", async () => {
    await using at = await desk();
    const [id, secret, key] = (await tokenOf(at)).split(".") as [string, string, string];
    for (const wrong of [`${id}.${secret.slice(1)}B.${key}`, `0badcafe.${secret}.${key}`])
      assert.match(await (await machineAt(at, "edge-7", wrong)).ask(), /there is no such join token/);
  });

  test("tells its token to nobody but the authority that the token names", async () => {
    await using at = await desk();
    await using theirs = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(theirs));
    assert.match(await machine.ask(), /does not sign for the authority/);
    assert.equal(machine.isOwned(), false);
    assert.deepEqual(
      at.lines().filter(({ type }) => type !== "serving"),
      [],
    );
  });

  test("gets no name that a machine with another key has", async () => {
    await using at = await desk();
    const token = await tokenOf(at, "--uses", "3");
    await (await machineAt(at, "edge-7", token)).ask();
    assert.match(await (await machineAt(at, "edge-7", token)).ask(), /there is a machine edge-7 already/);
  });

  test("tries again for ten minutes where nobody answers, and then the next hour", async () => {
    await using at = await desk();
    const machine = await machineAt(at, "edge-7", await tokenOf(at));
    await at.end();
    assert.match(await machine.ask(), /asked again in 5 s[^]*in 320 s[^]*in an hour$/);
    assert.equal(machine.waited(), 635_000);
  });
});

test("what is stored of a token is not the token, and only its owner reads it", async () => {
  await using at = await desk();
  const token = await tokenOf(at);
  const [, secret] = token.split(".");
  const text = await readFile(join(at.cwd, "petrify-secrets/tokens/00000000.json"), "utf8");
  assert.ok(!text.includes(secret!));
  assert.ok(!(await at.done(["ca", "token", "list", "--json"])).out.includes(secret!));
  await (await machineAt(at, "edge-7", token)).ask();
  assert.ok(!at.out().includes(secret!));
});

test("a token is for at least one machine, and a minute", async () => {
  await using at = await desk();
  for (const wrong of [
    ["--uses", "0"],
    ["--ttl", "5s"],
    ["--ttl", "x"],
  ])
    assert.equal((await at.petrify(["ca", "token", "create", ...wrong])).exitCode, 2, wrong.join(" "));
});

test("the machine's own program joins and renews with what systemd hands it, and says so in the journal", async () => {
  await using at = await desk();
  const token = await tokenOf(at);
  const machine = await fakeMachine();
  const [folder, credentials] = ["api", "credentials"].map((name) => join(at.cwd, name)) as [string, string];
  for (const path of [folder, credentials]) await mkdir(path);
  const means = { fingerprint: () => machine.fingerprint, log: () => {}, folder };
  const config = { apply: async () => await Promise.reject(new Error("a config was applied")) };
  const enrolment = await openEnrolment({ ...means, config, uptime: () => 0, givenBack: `${folder}-given-back` });
  const ownership = openOwnership(means);
  const places = { socket: join(at.cwd, "socket"), token: join(credentials, "token") };
  await using _ = await serveApiProgram({
    ...{ places, enrolment, random: randomBytes, waits: () => false, joins: () => true },
    routes: () => ({
      [JOIN]: async (stop, body) => await enrolment.enrol(enrolRequest(body), stop),
      [RENEW]: async (_stop, body) => await ownership.replaceCertificate(certificateRequest(body)),
    }),
  });
  const program = join(import.meta.dirname, "../../agent/authority-main.ts");
  const asked = async (): Promise<string> => {
    const env = { CREDENTIALS_DIRECTORY: credentials, NODE_NO_WARNINGS: "1" };
    const { stderr } = await promisify(execFile)(process.execPath, [program, places.socket], { env });
    return stderr.trim();
  };
  const give = async (name: string, text: string): Promise<void> => await writeFile(join(credentials, name), text);
  await give("key", machine.key);
  await give("settings", JSON.stringify({ authority: at.address, join: token }));
  const hostname = (await readFile("/proc/sys/kernel/hostname", "utf8")).trim();
  assert.match(await asked(), /^<6>this machine is 127\.0\.0\.1's: it has joined with the token 00000000$/);
  assert.partialDeepStrictEqual(at.lines().at(-1), { type: "signed", name: hostname, key: machine.fingerprint });
  assert.deepEqual((await readdir(folder)).toSorted(), ["ca.pem", "epoch", "node.pem", "recovery"]);

  await writeFile(join(at.cwd, "machine.pub"), createPublicKey(machine.key).export({ type: "spki", format: "pem" }));
  const before = await at.machineCertificate(300);
  await give("api_ca.pem", at.authorities);
  await give("api_node.pem", before);
  assert.match(await asked(), /^<6>this machine has a new certificate, until 20/);
  assert.notEqual(await readFile(join(folder, "node.pem"), "utf8"), before);

  await give("settings", "{}");
  assert.equal(await asked(), "<4>petrify-authority: its settings cannot be understood");
});
