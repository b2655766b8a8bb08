/** A folder on an HTTP server that knows nothing of images: static files, as nginx gives them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { serve, type Asked } from "./registry.ts";

export interface WebFolder extends AsyncDisposable {
  /** Of the folder, with `/` at its end. */
  readonly url: string;
  readonly asked: readonly Asked[];
}
export interface WebFolderOptions {
  /** Key and certificate, PEM; default: plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default true. */
  readonly ranges?: boolean;
  /** In place of an answer. @returns nothing where the folder is to answer */
  readonly instead?: (
    path: string,
    headers: Asked["headers"],
  ) => { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } | undefined;
}

/** Serves on loopback until the scope ends; what is put into the folder is there from then on. */
export async function webFolder(folder: string, { ranges = true, tls, instead }: WebFolderOptions = {}): Promise<WebFolder> {
  const asked: Asked[] = [];
  const server = await serve((request, response) => {
    const { method = "", url = "", headers } = request;
    asked.push({ method, url, headers: headers as Asked["headers"] });
    const answer = async (): Promise<void> => {
      const name = new URL(url, "http://localhost").pathname.replace("/edge/", "");
      const other = instead?.(name, headers as Asked["headers"]);
      if (other) return void response.writeHead(other.status, other.headers).end(other.body);
      const bytes = await readFile(join(folder, name)).catch(() => undefined);
      if (!bytes) return void response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not Found</h1>");
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec((ranges && headers.range) || "") ?? [];
      const start = Number(first ?? 0);
      if (start > 0 && start >= bytes.length) return void response.writeHead(416).end();
      const part = bytes.subarray(start, last === undefined || last === "" ? undefined : Number(last) + 1);
      response.writeHead(first === undefined ? 200 : 206, {
        ...{ "content-length": part.length, "content-type": "application/octet-stream" },
        ...(first !== undefined && { "content-range": `bytes ${start}-${start + part.length - 1}/${bytes.length}` }),
      });
      response.end(method === "HEAD" ? undefined : part);
    };
    void answer();
  }, tls);
  return {
    url: `http${tls ? "s" : ""}://${server.host}/edge/`,
    asked,
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}
