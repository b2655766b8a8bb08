import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import { openApi } from "../../agent/api/open-api.ts";
import { openMaintenance } from "../../agent/api/open-maintenance.ts";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent } from "../../agent/api/testing.ts";
import type { EnrolRequest, EnrolResult } from "../../agent/enrolment.ts";
import { assertNodeCertificate, authoritiesIn } from "../../agent/owner.ts";
import type { AgentStatus } from "../../agent/status.ts";
import { AppError } from "../../core/error.ts";
import { isRecoveryToken } from "../../host/recovery-token.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { runForTest, type Ran } from "../testing.ts";

const HOST = "127.0.0.1";
const CONFIG = "#cloud-config\nhostname: edge-7\n";
const RESULT: EnrolResult = { generation: 12, problems: ["no such zone"], reboot: ["the kernel's arguments"] };

const TO_DISK: EnrolResult = { installsTo: "/dev/vda", problems: [], reboot: [] };

async function desk(enrol: (request: EnrolRequest) => Promise<EnrolResult> = async () => await Promise.resolve(RESULT)) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-apply-config-"));
  const cwd = folder.path;
  const machine = await fakeMachine();
  const asked: EnrolRequest[] = [];
  let enrolled = 0;
  let status = fakeStatus;
  const server = await openMaintenance({
    ...{ at: { host: HOST, port: 0 }, key: machine.key, certificate: machine.certificate, log: () => {} },
    enrolled: () => void enrolled++,
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve(status),
      enrol: async (request) => {
        asked.push(request);
        return await enrol(request);
      },
    },
  });
  await writeFile(join(cwd, "machine.yaml"), CONFIG);
  const petrify = async (args: readonly string[], typed?: string): Promise<Ran> => {
    const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
    input.end(typed);
    return await runForTest(args, { cwd, env: { USER: "jo" }, input });
  };
  assert.equal((await petrify(["gen", "secrets"])).exitCode, 0);
  assert.equal((await petrify(["context", "add", "edge", "--secrets", "petrify-secrets"])).exitCode, 0);
  const apply = ["apply-config", "--insecure", "edge-7", "--address", `${HOST}:${server.port}`, "--file", "machine.yaml"];
  return {
    ...{ cwd, machine, asked, petrify, apply, server },
    enrolled: () => enrolled,
    installs: (installation: NonNullable<AgentStatus["installation"]>) => void (status = { ...fakeStatus, installation }),
    code: async (...args: string[]): Promise<string> =>
      (JSON.parse((await petrify([...args, "--json"])).out.trim().split("\n").at(-1)!) as { readonly code: string }).code,
    contexts: async () => await readFile(join(cwd, ".config/petrify/contexts.json"), "utf8"),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("petrify apply-config", () => {
  test("hands over config, authority and a certificate for the machine's own key, pins it, and the machine is called with certificates", async () => {
    await using at = await desk();
    const { exitCode, out, err } = await at.petrify([...at.apply, "--fingerprint", at.machine.fingerprint]);
    assert.equal(exitCode, 0, err);
    assert.match(out, /^edge-7 \(edge-7\) is yours/);
    assert.match(out, /Machine config 12 .*\nNot done: no such zone\nAfter a restart: the kernel's arguments\n/);
    const [request] = at.asked;
    assert.deepEqual(request?.documents, [{ origin: "machine.yaml", text: CONFIG }]);
    assert.equal(request.epoch, 1);
    const token = await readFile(join(at.cwd, "petrify-secrets/recovery-token"), "utf8");
    assert.ok(await isRecoveryToken(token, request.recovery!), "a digest of the recovery token");
    assert.equal(request.recoveryToken, "");
    assertNodeCertificate(request.certificate, authoritiesIn(request.authorities), at.machine.fingerprint);
    assert.match(new X509Certificate(request.certificate).subjectAltName!, /DNS:edge-7, IP Address:127\.0\.0\.1/);
    assert.equal(at.enrolled(), 1);
    assert.match(
      await at.contexts(),
      new RegExp(`"address": "${HOST}:${at.server.port}",\\s+"key": "${RegExp.escape(at.machine.fingerprint)}"`),
    );

    await using api = await openApi({
      ...{ at: { host: HOST, port: 0 }, epoch: request.epoch, key: at.machine.key, now: secondsNow, log: () => {} },
      ...{ certificate: request.certificate, authorities: request.authorities },
      ask: noAgent,
      answers: {
        version: "1.2.3",
        status: async () => await Promise.resolve(fakeStatus),
        look: async function* () {},
        operation: async function* () {},
      },
    });
    const version = await at.petrify(["-n", `${HOST}:${api.port}`, "version"]);
    assert.match(version.out, /edge 1\.4\.0/, "an authority vouches for it, without a pinned key");
  });

  test("shows the recovery token to a machine that was given back by it, from a file", async () => {
    await using at = await desk();
    await writeFile(join(at.cwd, "token"), "0AB1-CDEF\n");
    const apply = [...at.apply, "--fingerprint", at.machine.fingerprint, "--recovery-token-file"];
    const { exitCode, out, err } = await at.petrify([...apply, "token"]);
    assert.equal(exitCode, 0, err);
    assert.equal(at.asked[0]?.recoveryToken, "0AB1-CDEF");
    assert.ok(!`${out}${err}`.includes("0AB1"));
    assert.equal(await at.code(...apply, "none"), "FILE_UNREADABLE");
    await writeFile(join(at.cwd, "token"), "\n");
    assert.equal(await at.code(...apply, "token"), "RECOVERY_TOKEN_NEEDED");
  });

  test("changes nothing where the machine is its caller's already: the answer may have been lost", async () => {
    await using at = await desk();
    const authorities = await readFile(join(at.cwd, "petrify-secrets/ca.pem"), "utf8");
    const owned = async (accepted: string) =>
      await openApi({
        ...{ at: { host: HOST, port: 0 }, epoch: 0, now: secondsNow, log: () => {}, authorities: accepted },
        ...{ key: at.machine.key, certificate: at.machine.certificate, ask: noAgent },
        answers: {
          version: "1.2.3",
          status: async () => await Promise.resolve(fakeStatus),
          operation: async function* () {},
          look: async function* () {},
        },
      });
    const apply = (port: number): string[] => [
      ...["apply-config", "--insecure", "edge-7", "--address", `${HOST}:${port}`, "--file", "machine.yaml"],
      ...["--fingerprint", at.machine.fingerprint],
    ];
    await using ours = await owned(authorities);
    const { exitCode, out } = await at.petrify([...apply(ours.port), "--json"]);
    assert.equal(exitCode, 0, out);
    assert.partialDeepStrictEqual(JSON.parse(out), { value: { hostname: "edge-7", changed: false } });
    assert.match(await at.contexts(), new RegExp(`"key": "${RegExp.escape(at.machine.fingerprint)}"`));
    await using theirs = await owned((await fakeAuthority()).certificate);
    assert.equal(await at.code(...apply(theirs.port)), "NODE_HUNG_UP");
  });

  test("asks whether the key is that of the console, and believes a yes alone", async () => {
    await using at = await desk();
    for (const no of ["n\n", "\n", ""]) {
      const { exitCode, err } = await at.petrify(at.apply, no);
      assert.equal(exitCode, 1);
      assert.match(err, new RegExp(`shows the key ${RegExp.escape(at.machine.fingerprint)}\nIs that the one on its console`));
    }
    assert.deepEqual(at.asked, []);
    assert.doesNotMatch(await at.contexts(), /SHA256/);
    assert.equal((await at.petrify(at.apply, "y\n")).exitCode, 0);
    assert.equal(at.asked.length, 1);
    assert.match(await at.contexts(), /SHA256/);
  });

  test("says nothing to who has another key, and asks nobody who is not there", async () => {
    await using at = await desk();
    const other = (await fakeMachine()).fingerprint;
    assert.equal(await at.code(...at.apply, "--fingerprint", other), "NODE_KEY_DIFFERS");
    assert.equal(await at.code(...at.apply), "FINGERPRINT_MISSING");
    assert.equal((await at.petrify(["context", "pin", "edge-7", "--key", other])).exitCode, 0);
    assert.equal(await at.code(...at.apply), "NODE_KEY_DIFFERS");
    assert.deepEqual(at.asked, []);
  });

  const ON = { disk: "/dev/vda", text: "the disk gave an error" };
  for (const [what, is, after, code, outcome] of [
    [
      "is followed until it is installed, where it does not restart by itself",
      "done",
      "poweroff",
      0,
      /^edge-7 \(edge-7\) is installed on /m,
    ],
    ["tells why that has failed", "failed", "reboot", 1, /edge-7 cannot be installed to \/dev\/vda: the disk gave an error/],
  ] as const) {
    test(`of a machine that runs from memory, and is given a disk, ${what}`, async () => {
      await using at = await desk(async () => await Promise.resolve(TO_DISK));
      at.installs({ ...ON, is, after });
      const { exitCode, out, err } = await at.petrify([...at.apply, "--fingerprint", at.machine.fingerprint]);
      assert.equal(exitCode, code, err);
      assert.match(out + err, outcome);
      assert.match(await at.contexts(), /SHA256/, "it is known by the same key from then on");
    });
  }

  test("does not wait for a machine that is being installed where nobody wants it to", async () => {
    await using at = await desk(async () => await Promise.resolve(TO_DISK));
    const { out } = await at.petrify([...at.apply, "--fingerprint", at.machine.fingerprint, "--no-wait"]);
    assert.match(out, /^edge-7 \(edge-7\) installs itself to \/dev\/vda, .*\nNext: once it runs from its disk/m);
  });

  test("tells what the machine refuses, and pins nothing", async () => {
    const refusal = new AppError("CONFIG_UNSUPPORTED", "timezone: unknown", { hint: "Put tzdata into the recipe." });
    await using at = await desk(async () => await Promise.reject(refusal));
    const { out, exitCode } = await at.petrify([...at.apply, "--fingerprint", at.machine.fingerprint, "--json"]);
    assert.equal(exitCode, 1);
    assert.partialDeepStrictEqual(JSON.parse(out), { code: "CONFIG_UNSUPPORTED", hint: "Put tzdata into the recipe." });
    assert.doesNotMatch(await at.contexts(), /SHA256/);
    assert.equal(at.enrolled(), 0);
  });

  test("needs --insecure, the authority's key, and names that can be pinned", async () => {
    await using at = await desk();
    assert.equal(await at.code("apply-config", "edge-7"), "USAGE");
    assert.equal(await at.code(...at.apply, "--fingerprint", "SHA256:x"), "FINGERPRINT_INVALID");
    const files = ["--ca", "ca.pem", "--certificate", "admin.pem", "--key", "admin.key"];
    const inSecrets = files.map((word) => (word.startsWith("--") ? word : `petrify-secrets/${word}`));
    assert.equal((await at.petrify(["context", "add", "two", ...inSecrets])).exitCode, 0);
    assert.equal(await at.code(...at.apply, "--context", "two", "--fingerprint", at.machine.fingerprint), "NO_AUTHORITY_KEY");
    assert.deepEqual(at.asked, []);
  });
});
