import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
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
    await openEnrolment({ config, fingerprint: () => fingerprint, log: (line) => log.push(line), folder });
  return { folder, done, log, names, open, [Symbol.asyncDispose]: async () => await above.remove() };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !isSo() && performance.now() < end;) await new Promise(setImmediate);
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
      ...{ fingerprint: () => undefined, log: () => {}, folder: at.folder },
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
