/** Test double of a site: an authority that signs over the network, a machine, people. Files and TLS are real. */
import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeMachine } from "../../src/agent/api/testing.ts";
import { parseAddress } from "../../src/client/address.ts";
import { openSigner, signerError } from "../../src/client/open-signer.ts";
import type { AppError } from "../../src/core/error.ts";
import { secondsNow } from "../../src/host/wall-clock.ts";
import { Interrupted } from "../../src/cli/output.ts";
import { runForTest, type Ran } from "../../src/cli/testing.ts";

export const HOUR = 3600;
export const DAY = 24 * HOUR;
const { signal } = new AbortController();

/** An authority that signs at a port of this machine, and whoever comes to it; files and TLS are real. */
export async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-ca-"));
  const cwd = folder.path;
  const at = (name: string): string => join(cwd, name);
  const petrify = async (args: readonly string[], now = secondsNow): Promise<Ran> =>
    await runForTest(args, { cwd, env: { USER: "jo" }, now });
  const done = async (args: readonly string[], now = secondsNow): Promise<Ran> => {
    const ran = await petrify(args, now);
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.out}${ran.err}`);
    return ran;
  };
  await done(["gen", "secrets"]);
  const authorities = await readFile(at("petrify-secrets/ca.pem"), "utf8");
  const machine = await fakeMachine();
  await writeFile(at("machine.pub"), createPublicKey(machine.key).export({ type: "spki", format: "pem" }));
  /** Of the machine, made so many days ago. */
  const machineCertificate = async (days: number): Promise<string> => {
    const args = ["gen", "node-certificate", "edge-7", "--public-key", "machine.pub", "--address", "192.0.2.7"];
    await done([...args, "--output", `node-${days}.pem`], () => secondsNow() - days * DAY);
    return await readFile(at(`node-${days}.pem`), "utf8");
  };
  const stop = new AbortController();
  const started = Promise.withResolvers<string>();
  let out = "";
  let ahead = 0;
  const server = runForTest(["ca", "serve", "--listen", "127.0.0.1:0", "--json"], {
    ...{ cwd, signal: stop.signal, now: () => secondsNow() + ahead },
    onOut: (text) => {
      out += text;
      const [, address] = /"addresses":\["([^"]+)"\]/.exec(out) ?? [];
      if (address !== undefined) started.resolve(address);
    },
  });
  const address = await Promise.race([
    started.promise,
    server.then(({ out: said, err }) => {
      throw new Error(`ca serve ended: ${said}${err}`);
    }),
  ]);
  type Pair = { readonly certificate: string; readonly key: string };
  return {
    ...{ cwd, at, petrify, done, authorities, machine, machineCertificate, address },
    out: () => out,
    lines: () =>
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Readonly<Record<string, string>>),
    /** The clock of the authority goes on. */
    later: (seconds: number) => void (ahead += seconds),
    end: async (): Promise<Ran> => {
      stop.abort(new Interrupted(2));
      return await server;
    },
    /** @returns the new certificate */
    renew: async (pair: Pair): Promise<X509Certificate> => {
      await using connection = await openSigner(parseAddress(address), pair, { authorities }, signal);
      const { certificate } = await connection.signing.renew({}, { signal }).catch((error: unknown) => {
        throw signerError(address, error);
      });
      return new X509Certificate(certificate);
    },
    person: async (...more: readonly string[]): Promise<Pair> => {
      await done(["gen", "certificate", "alice", "--role", "operator", ...more]);
      const [certificate, key] = await Promise.all(
        ["alice.pem", "alice.key"].map(async (name) => await readFile(at(name), "utf8")),
      );
      return { certificate: certificate!, key: key! };
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Interrupted(2));
      await server;
      await folder.remove();
    },
  };
}

/** With this code. */
export const fails = async (code: string, what: Promise<unknown>): Promise<void> =>
  await assert.rejects(what, (error: AppError) => {
    assert.equal(error.code, code, String(error.stack));
    return true;
  });
