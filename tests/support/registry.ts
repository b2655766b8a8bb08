/** A registry of the tests: OCI Distribution Specification 1.1 in memory, and everything that goes wrong with one. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to a request in place of an answer, or to its answer. */
export type Fault =
  /** Answered with that status. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The connection ends after so many bytes of the answer's body; 0: before its head. */
  | { readonly cutAfter: number }
  /** The connection ends after so many bytes of the request's body, which are kept. */
  | { readonly cutRequestAfter: number }
  /** Another body. */
  | { readonly change: (body: Buffer) => Buffer }
  /** More headers, over those that it would have. */
  | { readonly headers: Readonly<Record<string, string>> }
  /** Done, but the answer is lost. */
  | { readonly loseAnswer: true }
  /** A byte now and then. */
  | { readonly dripMs: number };

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}
export interface RegistryOptions {
  /** Whether it has the API for referrers; default true. */
  readonly referrers?: boolean;
  /** Default true. */
  readonly ranges?: boolean;
  readonly auth?: { readonly kind: "basic" | "bearer"; readonly user: string; readonly password: string };
  /** How many requests a token is good for; default: all. */
  readonly tokenUses?: number;
  readonly pageSize?: number;
  readonly fault?: (asked: Asked) => Fault | undefined;
  /** Blobs are given by this place; default: by itself. */
  readonly redirectBlobs?: string;
}
interface Repository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  readonly tags: Map<string, string>;
}
/** As oci.ts makes one. */
interface Image {
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly descriptor: { readonly mediaType: string; readonly digest: string };
}
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly asked: readonly Asked[];
  readonly repository: (name: string) => Repository;
}

export const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Serves on loopback until the scope ends. @param tls key and certificate, PEM; default: plain HTTP */
export async function serve(
  listener: RequestListener,
  tls?: { readonly key: string; readonly cert: string },
): Promise<{ readonly host: string } & AsyncDisposable> {
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export async function testRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const repositories = new Map<string, Repository>();
  const uploads = new Map<string, Buffer>();
  const tokens = new Map<string, { readonly scopes: readonly string[]; uses: number }>();
  const asked: Asked[] = [];
  const repository = (name: string): Repository => {
    const found = repositories.get(name) ?? { blobs: new Map(), manifests: new Map(), tags: new Map() };
    repositories.set(name, found);
    return found;
  };
  const server = await serve((request, response) => {
    const { method = "", url = "", headers } = request;
    const one: Asked = { method, url, headers: headers as Asked["headers"] };
    asked.push(one);
    request.on("error", () => {});
    response.on("error", () => {});
    const fault = options.fault?.(one);
    void answer(request, response, fault).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): Promise<void> {
    const { method = "" } = request;
    const url = new URL(request.url ?? "", `http://${server.host}`);
    const send = (status: number, body: Buffer | string = "", headers: Readonly<Record<string, string>> = {}): void => {
      let bytes: Buffer = Buffer.from(body);
      if (fault && "change" in fault) bytes = fault.change(bytes);
      const more = fault && "headers" in fault ? fault.headers : {};
      response.writeHead(status, { "content-length": String(bytes.length), ...headers, ...more });
      if (method === "HEAD" || bytes.length === 0) return void response.end();
      if (fault && "cutAfter" in fault) {
        // The bytes have to be out before the end is.
        return void response.write(bytes.subarray(0, fault.cutAfter), () => setImmediate(() => response.socket?.end()));
      }
      if (fault && "dripMs" in fault) {
        let at = 0;
        const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), fault.dripMs);
        return void response.once("close", () => clearInterval(timer));
      }
      response.end(bytes);
    };
    const error = (status: number, code: string): void =>
      send(status, JSON.stringify({ errors: [{ code, message: code.toLowerCase() }] }));
    if (fault && "status" in fault) {
      request.resume();
      response.writeHead(fault.status, fault.headers ?? {});
      return void response.end(fault.body);
    }
    if (fault && "cutAfter" in fault && fault.cutAfter === 0) return void request.socket.destroy();
    const received = async (keep: (bytes: Buffer) => void): Promise<Buffer> => {
      const pieces: Buffer[] = [];
      let size = 0;
      for await (const piece of request as AsyncIterable<Buffer>) {
        const limit = fault && "cutRequestAfter" in fault ? fault.cutRequestAfter : Number.POSITIVE_INFINITY;
        const part = piece.subarray(0, Math.max(0, limit - size));
        size += piece.length;
        keep(part);
        pieces.push(part);
        if (size >= limit) {
          request.socket.destroy();
          throw new Error("cut");
        }
      }
      return Buffer.concat(pieces);
    };
    const done = (): boolean => {
      if (!(fault && "loseAnswer" in fault)) return false;
      request.socket.destroy();
      return true;
    };
    if (url.pathname === "/token") return grant(request, url, send);
    const path = /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(url.pathname);
    const [, name = "", kind = "", rest = ""] = path ?? [];
    if (!isAllowed(request, name, method)) {
      request.resume();
      const { kind: scheme } = options.auth!;
      const scope = method === "GET" || method === "HEAD" ? "pull" : "pull,push";
      const challenge =
        scheme === "basic"
          ? 'Basic realm="test"'
          : `Bearer realm="http://${server.host}/token",service="test",scope="repository:${name}:${scope}"`;
      return send(401, JSON.stringify({ errors: [{ code: "UNAUTHORIZED" }] }), { "www-authenticate": challenge });
    }
    if (url.pathname === "/v2/") return send(200, "{}");
    if (!path) return error(404, "UNKNOWN");
    const { blobs, manifests, tags } = repository(name);
    if (kind === "manifests") {
      if (method === "PUT") {
        const bytes = await received(() => {});
        const digest = digestOf(bytes);
        if (rest.startsWith("sha256:") ? rest !== digest : false) return error(400, "DIGEST_INVALID");
        const manifest = JSON.parse(bytes.toString()) as {
          layers?: { digest: string }[];
          config?: { digest: string };
          subject?: { digest: string };
        };
        for (const blob of [manifest.config, ...(manifest.layers ?? [])]) {
          if (blob && !blobs.has(blob.digest)) return error(400, "MANIFEST_BLOB_UNKNOWN");
        }
        manifests.set(digest, { type: String(request.headers["content-type"]), bytes });
        if (!rest.startsWith("sha256:")) tags.set(rest, digest);
        if (done()) return;
        const subject = manifest.subject && options.referrers !== false ? { "oci-subject": manifest.subject.digest } : undefined;
        return send(201, "", { location: `/v2/${name}/manifests/${digest}`, "docker-content-digest": digest, ...subject });
      }
      const digest = rest.startsWith("sha256:") ? rest : (tags.get(rest) ?? "");
      const found = manifests.get(digest);
      if (!found) return error(404, "MANIFEST_UNKNOWN");
      return send(200, found.bytes, { "content-type": found.type, "docker-content-digest": digest });
    }
    if (kind === "tags") {
      const all = [...tags.keys()].toSorted();
      const from = all.findIndex((tag) => tag > (url.searchParams.get("last") ?? ""));
      const page = from === -1 ? [] : all.slice(from, from + (options.pageSize ?? 1000));
      const more = page.length > 0 && page.at(-1) !== all.at(-1);
      const link = more ? { link: `</v2/${name}/tags/list?n=2&last=${page.at(-1)}>; rel="next"` } : undefined;
      return send(200, JSON.stringify({ name, tags: page }), { ...link });
    }
    if (kind === "referrers") {
      if (options.referrers === false) return error(404, "NOT_FOUND");
      const wanted = url.searchParams.get("artifactType");
      const found = [...manifests].flatMap(([digest, { type, bytes }]) => {
        const manifest = JSON.parse(bytes.toString()) as Record<string, unknown> & {
          subject?: { digest: string };
          config?: { mediaType: string };
        };
        if (manifest.subject?.digest !== rest) return [];
        const artifactType = (manifest["artifactType"] as string | undefined) ?? manifest.config?.mediaType;
        return [{ mediaType: type, digest, size: bytes.length, artifactType, annotations: manifest["annotations"] }];
      });
      const last = Number(url.searchParams.get("page") ?? 0);
      const size = options.pageSize ?? 1000;
      const page = found.filter((one) => wanted === null || one.artifactType === wanted).slice(last * size, (last + 1) * size);
      const link =
        found.length > (last + 1) * size ? { link: `</v2/${name}/referrers/${rest}?page=${last + 1}>; rel="next"` } : undefined;
      return send(200, JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: page }), {
        "content-type": INDEX,
        ...link,
      });
    }
    if (rest.startsWith("uploads/")) return await upload(name, rest.slice("uploads/".length));
    const blob = blobs.get(rest);
    if (!blob) return error(404, "BLOB_UNKNOWN");
    if (options.redirectBlobs !== undefined && method === "GET")
      return send(307, "", { location: `${options.redirectBlobs}/v2/${name}/blobs/${rest}` });
    const headers = { "content-type": "application/octet-stream", etag: `"${rest}"`, "docker-content-digest": rest };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (!range || options.ranges === false)
      return send(200, blob, method === "HEAD" ? { ...headers, "content-length": String(blob.length) } : headers);
    const start = Number(range[1]);
    if (start >= blob.length) return error(416, "RANGE_INVALID");
    const wanted = blob.subarray(start, range[2] === "" ? undefined : Number(range[2]) + 1);
    const last = start + wanted.length - 1;
    return send(206, wanted, { ...headers, "content-range": `bytes ${start}-${last}/${blob.length}` });

    async function upload(to: string, id: string): Promise<void> {
      const digest = url.searchParams.get("digest");
      const place = (session: string): Record<string, string> => {
        const size = uploads.get(session)?.length ?? 0;
        return { location: `/v2/${to}/blobs/uploads/${session}?_state=${size}`, range: `0-${Math.max(0, size - 1)}` };
      };
      if (method === "POST") {
        const mount = url.searchParams.get("mount");
        const from = mount === null ? undefined : repository(url.searchParams.get("from") ?? "").blobs.get(mount);
        if (from) {
          repository(to).blobs.set(mount!, from);
          return send(201, "", { location: `/v2/${to}/blobs/${mount}` });
        }
        const session = randomBytes(8).toString("hex");
        uploads.set(session, Buffer.alloc(0));
        return send(202, "", place(session));
      }
      const before = uploads.get(id);
      if (!before) {
        request.resume();
        return error(404, "BLOB_UPLOAD_UNKNOWN");
      }
      if (method === "GET") return send(204, "", place(id));
      const piece = /^(\d+)-(\d+)$/.exec(request.headers["content-range"] ?? "");
      if (
        (method === "PATCH" && Number(piece?.[1]) !== before.length) ||
        url.searchParams.get("_state") !== String(before.length)
      ) {
        request.resume();
        return error(416, "RANGE_INVALID");
      }
      await received((part) => uploads.set(id, Buffer.concat([uploads.get(id)!, part])));
      const now = uploads.get(id)!;
      if (method === "PATCH") return done() ? undefined : send(202, "", place(id));
      uploads.delete(id);
      if (digest === null || digestOf(now) !== digest) return error(400, "DIGEST_INVALID");
      repository(to).blobs.set(digest, now);
      return done() ? undefined : send(201, "", { location: `/v2/${to}/blobs/${digest}` });
    }
  }

  function grant(request: IncomingMessage, url: URL, send: (status: number, body: string) => void): void {
    const { user, password } = options.auth!;
    if (request.headers.authorization !== basic(user, password)) return send(401, "");
    const token = randomBytes(8).toString("hex");
    tokens.set(token, { scopes: url.searchParams.getAll("scope"), uses: options.tokenUses ?? Number.POSITIVE_INFINITY });
    send(200, JSON.stringify({ token, expires_in: 300 }));
  }
  function isAllowed({ headers }: IncomingMessage, name: string, method: string): boolean {
    if (!options.auth) return true;
    const { kind, user, password } = options.auth;
    if (kind === "basic") return headers.authorization === basic(user, password);
    const token = tokens.get((headers.authorization ?? "").replace("Bearer ", ""));
    if (!token || token.uses-- <= 0) return false;
    const action = method === "GET" || method === "HEAD" ? "pull" : "push";
    return (
      name === "" ||
      token.scopes.some(
        (scope) => scope.startsWith(`repository:${name}:`) && scope.slice(scope.lastIndexOf(":")).includes(action),
      )
    );
  }
  return { host: server.host, asked, repository, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}

/** Puts an image there under a tag. */
export function putImage({ blobs, manifests, tags }: Repository, { files, descriptor }: Image, tag: string): void {
  for (const content of Object.values(files)) blobs.set(digestOf(content), Buffer.from(content));
  manifests.set(descriptor.digest, { type: descriptor.mediaType, bytes: blobs.get(descriptor.digest)! });
  tags.set(tag, descriptor.digest);
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
