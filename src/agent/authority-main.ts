/** The edge of petrify-authority: what systemd hands over, signals. Argument: the socket of the agent, where it is another. Nothing imports this file. */
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { fileExists, readText } from "../host/files.ts";
import { sha256 } from "../host/sha256.ts";
import { askLocally } from "../host/unix-http.ts";
import { wait } from "../host/wait.ts";
import { API_SOCKET, AUTHORITIES_FILE, CERTIFICATE_FILE } from "../layout/api-places.ts";
import { decodeAuthoritySettings } from "../layout/authority-settings.ts";
import { ownCertificate } from "./api/settings.ts";
import { keepCertificate } from "./authority/keep-certificate.ts";
import { JOIN } from "./enrolment.ts";
import { RENEW } from "./ownership.ts";

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
const log = (line: string): void => void process.stderr.write(`<6>${line}\n`);
const folder = process.env["CREDENTIALS_DIRECTORY"] ?? "";
const credential = async (name: string): Promise<string> => await readText(join(folder, name));
const perhaps = async (name: string): Promise<string | undefined> =>
  (await fileExists(join(folder, name))) ? await credential(name) : undefined;

try {
  const settings = decodeAuthoritySettings(await credential("settings"));
  if (!settings) throw new Error("its settings cannot be understood");
  const [key, token] = [await credential("key"), await credential("token")];
  const hostname = (await readText("/proc/sys/kernel/hostname")).trim();
  const ask = async (call: string, body: object): Promise<void> => {
    const [method, url] = call.split(" ") as ["POST", string];
    for await (const _ of askLocally(process.argv[2] ?? API_SOCKET, method, url, stop.signal, body, token));
  };
  await keepCertificate(
    {
      ...{ settings, hostname, wait, log },
      own: { key, certificate: await ownCertificate(key, { hostname, addresses: [] }, { sha256, random: randomBytes }) },
      authorities: await perhaps(`api_${AUTHORITIES_FILE}`),
      certificate: await perhaps(`api_${CERTIFICATE_FILE}`),
      agent: {
        replaceCertificate: async (certificate) => await ask(RENEW, { certificate }),
        enrol: async (request) => await ask(JOIN, request),
      },
      now: () => Date.now() / 1000,
      random: () => randomInt(2 ** 32) / 2 ** 32,
    },
    stop.signal,
  );
} catch (error) {
  // A unit that has failed would be a reason to give an image back: a machine with another certificate is no better.
  if (!stop.signal.aborted) process.stderr.write(`<4>petrify-authority: ${(error as Error).message}\n`);
}
