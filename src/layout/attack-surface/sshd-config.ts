/** @portable Where an image's SSH server listens. Source: sshd_config(5) */
import { namesAt, textAt, type ImageTree } from "../image-tree.ts";

const CONFIG = "/etc/ssh/sshd_config";

/** `*:22`, `192.0.2.1:22`. */
export function sshAddresses(tree: ImageTree): readonly string[] {
  const lines = linesOf(tree, CONFIG, 0);
  const values = (key: string): string[] => lines.flatMap(([name, value]) => (name === key ? [value] : []));
  const ports = values("port");
  const all = ports.length > 0 ? ports : ["22"];
  const addresses = values("listenaddress");
  if (addresses.length === 0) return all.map((port) => `*:${port}`);
  return addresses.flatMap((address) => {
    const [host = ""] = address.split(/\s+/); // `rdomain` may follow
    const isWhole = /^(?:\[.*\]|[^:]+):\d+$/.test(host);
    return isWhole ? [host] : all.map((port) => `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`);
  });
}

/** Keys in small letters with their values, those of included files in their place; what is for some users only is left out. */
function linesOf(tree: ImageTree, path: string, depth: number): readonly (readonly [key: string, value: string])[] {
  const found: (readonly [string, string])[] = [];
  for (const line of (textAt(tree, path) ?? "").split("\n")) {
    const [, key = "", value = ""] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)"?(.*?)"?\s*$/.exec(line) ?? [];
    const name = key.toLowerCase();
    if (name === "match") break;
    if (name !== "include") found.push([name, value]);
    else if (depth < 16)
      for (const one of value.split(/\s+/)) for (const file of matching(tree, one)) found.push(...linesOf(tree, file, depth + 1));
  }
  return found;
}

/** Files that a pattern of `Include` means, whose last part alone may have `*`. */
function matching(tree: ImageTree, pattern: string): readonly string[] {
  const path = pattern.startsWith("/") ? pattern : `/etc/ssh/${pattern}`;
  const [folder, last] = [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)];
  const name = new RegExp(
    `^${last
      .split("*")
      .map((part) => RegExp.escape(part))
      .join(".*")}$`,
  );
  return namesAt(tree, folder)
    .filter((one) => name.test(one))
    .map((one) => `${folder}/${one}`);
}
