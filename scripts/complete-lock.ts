/**
 * Adds the optional packages of other platforms to package-lock.json that the registry in use does not carry.
 *
 * `npm install` leaves such packages out of the lock file, and `npm ci` then refuses it ("Missing: … from lock file"). An entry
 * with the version its parent asks for and the platform its name tells is what npm itself writes when the package can be seen.
 */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
interface Lock {
  packages: Record<string, object>;
}

const OS: Readonly<Record<string, string>> = {
  android: "android",
  darwin: "darwin",
  freebsd: "freebsd",
  netbsd: "netbsd",
  openbsd: "openbsd",
  sunos: "sunos",
  aix: "aix",
  linux: "linux",
  openharmony: "openharmony",
  wasm32: "wasm32",
  win32: "win32",
};
const CPU: Readonly<Record<string, string>> = {
  x64: "x64",
  ia32: "ia32",
  arm: "arm",
  arm64: "arm64",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  loong64: "loong64",
  mips64el: "mips64el",
  wasm32: "wasm32",
};

const file = resolve(import.meta.dirname, "../package-lock.json");
const lock = JSON.parse(await readFile(file, "utf8")) as Lock;
let added = 0;
for (const entry of Object.values(lock.packages) as Entry[]) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path]) continue;
    const words = name.split(/[/-]/);
    const os = words.map((word) => OS[word]).find(Boolean);
    const cpu = words.map((word) => CPU[word]).find(Boolean);
    lock.packages[path] = {
      version,
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...(os ? { os: [os] } : {}),
      ...(words.includes("musl") ? { libc: ["musl"] } : {}),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(file, `${JSON.stringify(lock, undefined, 2)}\n`);
process.stdout.write(`${added} optional packages of other platforms added\n`);
