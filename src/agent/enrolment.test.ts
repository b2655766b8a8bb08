import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { until } from "../../tests/support/until.ts";
import { AppError } from "../core/error.ts";
import { hashRecoveryToken } from "../host/recovery-token.ts";
import { fakeAuthority, fakeMachine } from "./api/testing.ts";
import type { ConfigResult } from "./config/apply-config.ts";
import type { ApplyMode } from "./config/work.ts";
import { openEnrolment, type EnrolRequest } from "./enrolment.ts";

const { signal } = new AbortController();
const ours = await fakeAuthority();
const theirs = await fakeAuthority();
const machine = await fakeMachine();
const other = await fakeMachine();
const person = await ours.person();
const DOCUMENTS = [{ origin: "machine.yaml", text: "#cloud-config\nhostname: edge-7\n" }];
const REQUEST: EnrolRequest = {
  documents: DOCUMENTS,
  ...{ authorities: ours.certificate, certificate: ours.vouchFor(machine.key), epoch: 3 },
};

async function desk(failing?: (mode: ApplyMode) => Error | undefined) {
  const above = await mkdtempDisposable(join(tmpdir(), "petrify-enrolment-"));
  const folder = join(above.path, "api");
  const done: string[] = [];
  const log: string[] = [];
  const uptime = { seconds: 0 };
  const names = async (): Promise<string[]> => await readdir(folder).catch(() => []);
  const config = {
    apply: async ({ mode }: { readonly mode: ApplyMode }): Promise<ConfigResult> => {
      done.push(`${mode} with ${(await names()).length} files`);
      const error = failing?.(mode);
      if (error) throw error;
      const plan = { changes: [], actions: [], reboot: ["the kernel's arguments"] };
      return { changed: true, mode, generation: 12, plan, problems: ["no such zone"] };
    },
  };
  const open = async (fingerprint: string | undefined = machine.fingerprint) =>
    await openEnrolment({
      ...{ config, fingerprint: () => fingerprint, log: (line) => log.push(line), folder },
      ...{ givenBack: join(above.path, "given-back"), uptime: () => uptime.seconds },
    });
  return { folder, done, log, names, open, uptime, [Symbol.asyncDispose]: async () => await above.remove() };
}

async function inMemory(disk?: string) {
  const at = await desk();
  const asked: unknown[] = [];
  const enrolment = await openEnrolment({
    memory: {
      install: async (...args) => {
        asked.push(args.slice(0, 2));
        return await Promise.resolve(disk);
      },
    },
    config: { apply: async () => await Promise.reject(new Error("it was applied")) },
    ...{ fingerprint: () => machine.fingerprint, log: () => {}, folder: at.folder, uptime: () => 0 },
  });
  await enrolment.prepare();
  return { ...at, enrolment, asked };
}

suite("a machine that nobody owns", () => {
  test("keeps the config, then gets its owner, then the config is laid", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    assert.equal(enrolment.isEnrolled(), false);
    const result = await enrolment.enrol(REQUEST, signal);
    assert.deepEqual(result, { generation: 12, problems: ["no such zone"], reboot: ["the kernel's arguments"] });
    assert.equal(enrolment.isEnrolled(), true);
    await until(() => at.done.length === 2);
    assert.deepEqual(at.done, ["staged with 0 files", "auto with 3 files"]);
    assert.deepEqual((await at.names()).toSorted(), ["ca.pem", "epoch", "node.pem"]);
    assert.equal(await readFile(join(at.folder, "epoch"), "utf8"), "3\n");
    assert.equal((await stat(join(at.folder, "ca.pem"))).mode & 0o777, 0o600);
    assert.equal((await stat(at.folder)).mode & 0o777, 0o700);
    assert.equal((await at.open()).isEnrolled(), true, "after a restart, too");
  });

  test("needs no config", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    assert.deepEqual(await enrolment.enrol({ ...REQUEST, documents: [] }, signal), { problems: [], reboot: [] });
    assert.deepEqual(at.done, []);
  });

  test("gets one owner, whoever comes at the same time", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    const second = { ...REQUEST, authorities: theirs.certificate, certificate: theirs.vouchFor(machine.key) };
    const [first, refused] = await Promise.allSettled([enrolment.enrol(REQUEST, signal), enrolment.enrol(second, signal)]);
    assert.equal(first.status, "fulfilled");
    assert.equal(refused.status === "rejected" && (refused.reason as AppError).code, "ENROLLED");
    assert.equal(await readFile(join(at.folder, "ca.pem"), "utf8"), ours.certificate);
    await assert.rejects((await at.open()).enrol(second, signal), { code: "ENROLLED" });
  });

  const refusals: readonly (readonly [string, Partial<EnrolRequest>, string])[] = [
    ["no authority", { authorities: "x" }, "API_AUTHORITY_INVALID"],
    ["a machine for an authority", { authorities: machine.certificate }, "API_AUTHORITY_INVALID"],
    ["no certificate", { certificate: "x" }, "NODE_CERTIFICATE_INVALID"],
    ["another machine's certificate", { certificate: ours.vouchFor(other.key) }, "NODE_CERTIFICATE_INVALID"],
    ["a certificate of another authority", { certificate: theirs.vouchFor(machine.key) }, "NODE_CERTIFICATE_INVALID"],
    ["a certificate of its own making", { certificate: machine.certificate }, "NODE_CERTIFICATE_INVALID"],
    ["a person's certificate", { certificate: person.certificate }, "NODE_CERTIFICATE_INVALID"],
    ["two certificates", { certificate: REQUEST.certificate.repeat(2) }, "NODE_CERTIFICATE_INVALID"],
  ];
  for (const [name, given, code] of refusals) {
    test(`refuses ${name}, and is as before`, async () => {
      await using at = await desk();
      const enrolment = await at.open();
      await enrolment.prepare();
      await assert.rejects(enrolment.enrol({ ...REQUEST, ...given }, signal), { code });
      assert.deepEqual([at.done, await at.names(), enrolment.isEnrolled()], [[], [], false]);
      await enrolment.enrol(REQUEST, signal);
    });
  }

  test("has no owner where its config is refused", async () => {
    await using at = await desk(() => new AppError("CONFIG_UNSUPPORTED", "no such zone"));
    const enrolment = await at.open();
    await enrolment.prepare();
    await assert.rejects(enrolment.enrol(REQUEST, signal), { code: "CONFIG_UNSUPPORTED" });
    assert.deepEqual([await at.names(), enrolment.isEnrolled()], [[], false]);
  });

  test("has an owner where its config cannot be laid now, and says so", async () => {
    await using at = await desk((mode) => (mode === "auto" ? new Error("the worker was killed") : undefined));
    const enrolment = await at.open();
    await enrolment.prepare();
    await enrolment.enrol(REQUEST, signal);
    assert.equal(enrolment.isEnrolled(), true);
    await until(() => at.log.length === 2);
    assert.match(at.log.join("\n"), /laid at the next boot: the worker was killed/);
  });

  test("takes a certificate whose time is not now: its clock may not be set", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    await enrolment.enrol({ ...REQUEST, certificate: ours.vouchFor(machine.key, 24 * 400) }, signal);
  });

  test("without a key cannot be known again, and gets none", async () => {
    await using at = await desk();
    const enrolment = await openEnrolment({
      config: { apply: async () => await Promise.reject(new Error("it was applied")) },
      ...{ fingerprint: () => undefined, log: () => {}, folder: at.folder, uptime: () => 0, givenBack: `${at.folder}-x` },
    });
    await assert.rejects(enrolment.enrol(REQUEST, signal), { code: "NODE_KEY_MISSING" });
  });

  test("forgets what a power cut has left of an owner, and nothing else", async () => {
    await using at = await desk();
    const above = join(at.folder, "..");
    await mkdir(`${at.folder}.aB3xYz`);
    await writeFile(join(`${at.folder}.aB3xYz`, "ca.pem"), "half");
    await mkdir(join(above, "api.conf.d"));
    const enrolment = await at.open();
    await enrolment.prepare();
    assert.deepEqual((await readdir(above)).toSorted(), ["api", "api.conf.d"]);
    assert.equal(enrolment.isEnrolled(), false);
  });

  test("whose folder holds something else is told so", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    await writeFile(join(at.folder, "epoch"), "1\n");
    await assert.rejects(enrolment.enrol(REQUEST, signal), { code: "API_FOLDER_IN_USE" });
    assert.deepEqual(await readdir(join(at.folder, "..")), ["api"]);
  });
});

const TOKEN = "0AB1-CDEF-GHJK-MNPQ-RSTV-WXYZ";
const RECOVERY = await hashRecoveryToken(TOKEN, new Uint8Array(16));
const OWNED: EnrolRequest = { ...REQUEST, documents: [], recovery: RECOVERY };
const NEXT: EnrolRequest = {
  ...{ documents: [], epoch: 9 },
  ...{ authorities: theirs.certificate, certificate: theirs.vouchFor(machine.key) },
};

/** That has an owner, and its token. */
async function ownedDesk() {
  const at = await desk();
  const enrolment = await at.open();
  await enrolment.prepare();
  await enrolment.enrol(OWNED, signal);
  return { ...at, enrolment };
}

suite("the recovery token", () => {
  test("gives the machine back: it waits for an owner, and takes one that has the token alone", async () => {
    await using at = await ownedDesk();
    assert.deepEqual((await at.names()).toSorted(), ["ca.pem", "epoch", "node.pem", "recovery"]);
    assert.deepEqual(await at.enrolment.giveBack({ recoveryToken: TOKEN.toLowerCase() }), { waits: true });
    assert.deepEqual([at.enrolment.isEnrolled(), at.enrolment.isGivenBack(), await at.names()], [false, true, []]);
    for (const enrolment of [at.enrolment, await at.open()]) {
      await assert.rejects(enrolment.enrol(NEXT, signal), { code: "RECOVERY_TOKEN_NEEDED" });
      await assert.rejects(enrolment.enrol({ ...NEXT, recoveryToken: "no" }, signal), { code: "RECOVERY_TOKEN_WRONG" });
    }
    await at.enrolment.enrol({ ...NEXT, recoveryToken: TOKEN }, signal);
    assert.deepEqual([at.enrolment.isEnrolled(), at.enrolment.isGivenBack()], [true, false]);
    assert.equal(await readFile(join(at.folder, "ca.pem"), "utf8"), theirs.certificate);
    await assert.rejects(at.enrolment.enrol({ ...NEXT, recoveryToken: TOKEN }, signal), { code: "ENROLLED" });
    assert.deepEqual(await readdir(join(at.folder, "..")), ["api"]);
  });

  test("brings the machine another owner at once, whose authority is given with it", async () => {
    await using at = await ownedDesk();
    const request = { recoveryToken: TOKEN, authorities: theirs.certificate };
    assert.deepEqual(await at.enrolment.giveBack(request), { waits: false });
    assert.deepEqual((await at.names()).toSorted(), ["ca.pem", "recovery"]);
    assert.equal(at.enrolment.isEnrolled(), true);
    assert.equal((await at.open()).isEnrolled(), true);
    assert.deepEqual(await readdir(join(at.folder, "..")), ["api"]);
  });

  for (const [name, request, code] of [
    ["another token", { recoveryToken: TOKEN.replace("A", "B") }, "RECOVERY_TOKEN_WRONG"],
    ["no token", { recoveryToken: "" }, "RECOVERY_TOKEN_WRONG"],
    ["what is no authority", { recoveryToken: TOKEN, authorities: "x" }, "API_AUTHORITY_INVALID"],
    ["a machine for an authority", { recoveryToken: TOKEN, authorities: machine.certificate }, "API_AUTHORITY_INVALID"],
  ] as const) {
    test(`with ${name} changes nothing`, async () => {
      await using at = await ownedDesk();
      await assert.rejects(at.enrolment.giveBack(request), { code });
      assert.deepEqual([at.enrolment.isEnrolled(), at.enrolment.isGivenBack()], [true, false]);
      assert.deepEqual(await readdir(join(at.folder, "..")), ["api"]);
    });
  }

  test("is one that the owner has left: without, nobody gives the machine back", async () => {
    await using at = await desk();
    const enrolment = await at.open();
    await enrolment.prepare();
    await assert.rejects(enrolment.giveBack({ recoveryToken: TOKEN }), { code: "NOT_ENROLLED" });
    await enrolment.enrol(REQUEST, signal);
    await assert.rejects(enrolment.giveBack({ recoveryToken: TOKEN }), { code: "RECOVERY_TOKEN_NONE" });
  });

  test("is tried five times, then once in half a minute, whoever tries", async () => {
    await using at = await ownedDesk();
    const wrong = async (): Promise<string> =>
      await at.enrolment.giveBack({ recoveryToken: "x" }).then(
        () => "",
        (error: AppError) => error.code,
      );
    const codes: string[] = [];
    for (let times = 0; times < 6; times++) codes.push(await wrong());
    assert.deepEqual(codes, [...Array<string>(5).fill("RECOVERY_TOKEN_WRONG"), "ASKED_TOO_OFTEN"]);
    await assert.rejects(at.enrolment.giveBack({ recoveryToken: TOKEN }), { code: "ASKED_TOO_OFTEN" });
    at.uptime.seconds += 30;
    await at.enrolment.giveBack({ recoveryToken: TOKEN });
  });

  test("has done nothing where power goes before the owner is gone, and can be shown again", async () => {
    await using at = await ownedDesk();
    await writeFile(join(at.folder, "../given-back"), RECOVERY);
    const enrolment = await at.open();
    assert.deepEqual([enrolment.isEnrolled(), enrolment.isGivenBack()], [true, false]);
    assert.deepEqual(await readdir(join(at.folder, "..")), ["api"]);
    await enrolment.giveBack({ recoveryToken: TOKEN });
  });

  test("means nothing to a machine with an owner, also where what is kept of it cannot be removed", async () => {
    await using at = await ownedDesk();
    await mkdir(join(at.folder, "../given-back/x"), { recursive: true });
    const enrolment = await at.open();
    assert.deepEqual([enrolment.isEnrolled(), enrolment.isGivenBack()], [true, false]);
    assert.match(at.log.at(-1)!, /given-back cannot be removed: /);
  });

  test("is needed where power goes after the owner is gone", async () => {
    await using at = await ownedDesk();
    await writeFile(join(at.folder, "../given-back"), RECOVERY);
    await rename(at.folder, `${at.folder}.aB3xYz`);
    const enrolment = await at.open();
    await enrolment.prepare();
    assert.equal(enrolment.isGivenBack(), true);
    assert.deepEqual((await readdir(join(at.folder, ".."))).toSorted(), ["api", "given-back"]);
    await assert.rejects(enrolment.enrol(NEXT, signal), { code: "RECOVERY_TOKEN_NEEDED" });
    await enrolment.enrol({ ...NEXT, recoveryToken: TOKEN }, signal);
  });
});

suite("a system that runs from memory and that nobody owns", () => {
  test("has no owner as long as it is installed: the disk has", async () => {
    await using at = await inMemory("/dev/vda");
    assert.deepEqual(await at.enrolment.enrol(REQUEST, signal), { installsTo: "/dev/vda", problems: [], reboot: [] });
    const files = { "ca.pem": REQUEST.authorities, "node.pem": REQUEST.certificate, epoch: "3\n" };
    assert.deepEqual(at.asked, [[DOCUMENTS, files]]);
    assert.deepEqual([await at.names(), at.enrolment.isEnrolled()], [[], false]);
  });

  test("is not installed with a certificate that is none for it", async () => {
    await using at = await inMemory("/dev/vda");
    const certificate = ours.vouchFor(other.key);
    await assert.rejects(at.enrolment.enrol({ ...REQUEST, certificate }, signal), { code: "NODE_CERTIFICATE_INVALID" });
    assert.deepEqual(at.asked, []);
  });

  test("has an owner until it restarts where no disk is named, and says so", async () => {
    await using at = await inMemory();
    const { problems } = await at.enrolment.enrol({ ...REQUEST, documents: [] }, signal);
    assert.match(problems.join(), /nothing of it is kept when this system restarts/);
    assert.equal(at.enrolment.isEnrolled(), true);
  });
});
