/** Debian's docker-registry, as somebody would run it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { httpClient } from "../../src/host/http-client.ts";
import { selfSigned } from "./docker-registry.ts";
import { freePort } from "./free-port.ts";
import { testTools } from "./tools.ts";

export const USER = "me";
export const PASSWORD = "s3cret-word";
/** Of the password above, by crypt(3). */
const HTPASSWD = `${USER}:$2y$05$abcdefghijklmnopqrstuuEpHRRKIlpAGo.iP7Bpa.htQEJMAAnRe\n`;

export interface Debian extends AsyncDisposable {
  readonly host: string;
  /** The certificate of its authority, PEM. */
  readonly ca: string;
}

/** Debian's docker-registry on loopback, with TLS and a password. It has no API for referrers. */
export async function debianRegistry(folder: string): Promise<Debian> {
  const tools = await testTools("registries");
  await mkdir(join(folder, "store"), { recursive: true });
  const binds = [{ source: folder, writable: true }];
  const { key, certificate } = await selfSigned(tools, folder);
  await writeFile(join(folder, "htpasswd"), HTPASSWD);
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "store") }, delete: { enabled: true } },
    http: { addr: host, secret: "x", tls: { certificate, key } },
    auth: { htpasswd: { realm: "registry", path: join(folder, "htpasswd") } },
  };
  await writeFile(join(folder, "config.yml"), JSON.stringify(config)); // every JSON is YAML
  const [program, ...args] = tools.argv(["docker-registry", "serve", join(folder, "config.yml")], { binds, network: true });
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ca = await readFile(certificate, "utf8");
  using client = httpClient({ ca });
  const stop = async (): Promise<void> => {
    child.kill();
    await exited;
  };
  for (let tries = 0; ; tries++) {
    const up = await client.http({ method: "GET", url: `https://${host}/v2/` }).catch(() => undefined);
    up?.discard();
    if (up) break;
    if (tries === 200 || child.exitCode !== null) {
      await stop();
      throw new Error(`docker-registry does not answer: ${said}`);
    }
    await setTimeout(100);
  }
  return { host, ca, [Symbol.asyncDispose]: stop };
}
