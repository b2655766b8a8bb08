import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { sha256 } from "../../src/host/sha256.ts";
import type { Tools } from "../../src/host/tools.ts";
import { OCI_MEDIA } from "../../src/layout/oci-image.ts";
import { descriptorOf, type OciArtifact } from "../../src/release/oci-artifact.ts";

/** Files (PEM) of a server on loopback. */
export interface ServerKey {
  readonly key: string;
  /** Its own authority. */
  readonly certificate: string;
}

/** A new key and certificate in a folder. @param address that it is for */
export async function selfSigned(tools: Tools, folder: string, address = "127.0.0.1"): Promise<ServerKey> {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  await tools.run(
    [
      ...(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] as const),
      ...["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=registry", "-addext", `subjectAltName=IP:${address}`],
    ],
    { binds: [{ source: folder, writable: true }] },
  );
  return { key, certificate };
}

interface RegistryOptions {
  /** In front of its command. */
  readonly prefix?: readonly string[];
  /** Default: plain HTTP. */
  readonly tls?: ServerKey;
}

/** Debian's registry on loopback, at a free port, with what it stores in a folder; it ends with the scope. */
export async function dockerRegistry(tools: Tools, folder: string, { prefix = [], tls }: RegistryOptions = {}) {
  const config = join(folder, "registry.json");
  await writeFile(
    config,
    JSON.stringify({
      ...{ version: "0.1", http: { addr: "127.0.0.1:0", ...(tls ? { tls } : {}) } },
      storage: { filesystem: { rootdirectory: join(folder, "registry") }, maintenance: { uploadpurging: { enabled: false } } },
    }),
  );
  const argv = tools.argv(["docker-registry", "serve", config], { network: true, binds: [{ source: folder, writable: true }] });
  const [program, ...args] = [...prefix, ...argv] as [string, ...string[]];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const host = await new Promise<string>((resolve, reject) => {
    const said: string[] = [];
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`the registry ended:\n${said.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit");
      if (child.exitCode === null && child.kill()) await gone;
    },
  };
}

/** Just enough of a client to bring something to a registry that is known to work, and back. */
export function pusher(host: string, name: string) {
  const at = `http://${host}/v2/${name}`;
  const checked = async (answer: Promise<Response>): Promise<Response> => {
    const response = await answer;
    if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
    return response;
  };
  const bytesOf = async (path: string, accept: string): Promise<Uint8Array> =>
    new Uint8Array(await (await checked(fetch(`${at}/${path}`, { headers: { accept } }))).arrayBuffer());
  return {
    /** @param tag or digest @returns what describes the manifest */
    push: async ({ manifest, blobs }: OciArtifact, tag: string, type: string = OCI_MEDIA.manifest) => {
      for (const { descriptor, bytes } of blobs) {
        const upload = await checked(fetch(`${at}/blobs/uploads/`, { method: "POST" }));
        const place = new URL(upload.headers.get("location")!, at);
        place.searchParams.set("digest", descriptor.digest);
        await checked(
          fetch(place, { method: "PUT", body: Buffer.from(bytes), headers: { "content-type": "application/octet-stream" } }),
        );
      }
      const body = Buffer.from(manifest);
      await checked(fetch(`${at}/manifests/${tag}`, { method: "PUT", body, headers: { "content-type": type } }));
      return descriptorOf(type, manifest, sha256);
    },
    manifest: async (tag: string, type: string = OCI_MEDIA.manifest) => await bytesOf(`manifests/${tag}`, type),
    blob: async (digest: string) => await bytesOf(`blobs/${digest}`, "*/*"),
  };
}
