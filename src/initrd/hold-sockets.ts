/** @portable Sockets of the API where no systemd holds them: whoever calls has the program started that answers. docs/concepts/api.md */
import { AUTHORITIES_FILE, API_FOLDER, MAINTENANCE_FILE, MAINTENANCE_WORD } from "../layout/api-places.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import { EARLY_PROGRAM } from "../layout/fstab.ts";
import { API_PROGRAMS, type ApiProgram } from "./api-programs.ts";
import { NUMBERS, type Calls } from "./calls.ts";
import { sentence } from "./failure.ts";
import type { Sys } from "./sys.ts";

/** Source: linux/socket.h, asm-generic/socket.h, linux/tcp.h */
const FAMILY = { unix: 1, inet: 2, inet6: 10 } as const;
const STREAM = 1 | 0o2000000; // SOCK_CLOEXEC
const OPTION = { socket: 1, reuse: 2, keepAlive: 9, tcp: 6, noDelay: 1, ipv6: 41, ipv6Only: 26 } as const;
const BACKLOG = 128;
/** Source: poll(2) */
const POLLIN = 1;
const ENTRY_BYTES = 8;
/** How often an authority is looked for, and a program that has failed is tried again; milliseconds. */
const AGAIN_MS = 3000;

interface Held {
  readonly program: ApiProgram;
  /** The socket; absent until somebody may call. */
  fd?: number;
  running?: { readonly pid: number; readonly pidfd: number };
  /** By the machine's time in milliseconds. */
  notBefore: number;
}

/** @returns waits until something happens, or is to be tried again, and does what follows */
export function openHolder(sys: Sys, calls: Calls): () => void {
  const held = API_PROGRAMS.map((program): Held => ({ program, notBefore: 0 }));
  return () => turn(sys, calls, held);
}

function turn(sys: Sys, calls: Calls, held: readonly Held[]): void {
  for (const one of held) if (one.fd === undefined && isWanted(sys, one.program)) open(sys, calls, one);
  const now = sys.now();
  const waiting = held.filter(({ fd, running, notBefore }) => running ?? (fd !== undefined && notBefore <= now));
  const isSettled = held.every(({ fd, notBefore }) => fd !== undefined && notBefore <= now);
  const entries = new DataView(new ArrayBuffer(ENTRY_BYTES * Math.max(1, waiting.length)));
  for (const [at, { fd, running }] of waiting.entries()) {
    entries.setInt32(at * ENTRY_BYTES, running?.pidfd ?? fd!, true);
    entries.setInt16(at * ENTRY_BYTES + 4, POLLIN, true);
  }
  calls.attempt(NUMBERS.poll, entries.buffer, waiting.length, isSettled ? -1 : AGAIN_MS);
  for (const [at, one] of waiting.entries()) {
    if (entries.getInt16(at * ENTRY_BYTES + 6, true) === 0) continue;
    if (one.running) ended(sys, calls, one);
    else started(sys, calls, one);
  }
}

/** A machine that nobody owns has the API alone, where it is to wait for an owner. */
const isWanted = (sys: Sys, { name }: ApiProgram): boolean =>
  sys.exists(`${API_FOLDER}/${AUTHORITIES_FILE}`) || (name === "api" && isWaiting(sys));

const isWaiting = (sys: Sys): boolean =>
  sys.exists(MAINTENANCE_FILE) || commandLineWords(sys.readText("/proc/cmdline")).some(([word]) => word === MAINTENANCE_WORD);

function started(sys: Sys, calls: Calls, one: Held): void {
  try {
    const pid = calls.spawn(
      [EARLY_PROGRAM, "confine", one.program.name, String(calls.call("own number", NUMBERS.getpid))],
      one.fd!,
    );
    one.running = { pid, pidfd: calls.call("watch a process", NUMBERS.pidfd_open, pid, 0) };
  } catch (error) {
    later(sys, one, sentence(error));
  }
}

function ended(sys: Sys, { attempt, endOf }: Calls, one: Held): void {
  const { pid, pidfd } = one.running!;
  attempt(NUMBERS.close, pidfd);
  delete one.running;
  const status = endOf(pid);
  if (status !== 0) later(sys, one, `it has ended with status ${status}`);
}

function open(sys: Sys, calls: Calls, one: Held): void {
  const { listen } = one.program;
  try {
    one.fd = typeof listen === "number" ? portSocket(calls, listen) : pathSocket(sys, calls, listen);
  } catch (error) {
    later(sys, one, sentence(error));
  }
}

function later(sys: Sys, one: Held, why: string): void {
  sys.log("info", `petrify-${one.program.name}: ${why}; it is tried again`);
  one.notBefore = sys.now() + AGAIN_MS;
}

/** Of IPv6 and IPv4, where the kernel has both. */
function portSocket(calls: Calls, port: number): number {
  const { call, attempt } = calls;
  const both = attempt(NUMBERS.socket, FAMILY.inet6, STREAM, 0);
  const fd = both >= 0 ? both : call("socket", NUMBERS.socket, FAMILY.inet, STREAM, 0);
  const options = [
    [OPTION.socket, OPTION.reuse, 1],
    [OPTION.socket, OPTION.keepAlive, 1],
    [OPTION.tcp, OPTION.noDelay, 1],
    ...(both >= 0 ? ([[OPTION.ipv6, OPTION.ipv6Only, 0]] as const) : []),
  ] as const;
  for (const [level, option, value] of options)
    call("setsockopt", NUMBERS.setsockopt, fd, level, option, new Uint32Array([value]).buffer, 4);
  // Any address is zeros. Source: ip(7), ipv6(7)
  const address = new DataView(new ArrayBuffer(both >= 0 ? 28 : 16));
  address.setUint16(0, both >= 0 ? FAMILY.inet6 : FAMILY.inet, true);
  address.setUint16(2, port);
  return bound(calls, fd, address.buffer, `port ${port}`);
}

/** The API's program is nobody in particular: it has a token. */
function pathSocket(sys: Sys, calls: Calls, path: string): number {
  if (sys.exists(path)) sys.remove(path);
  const fd = calls.call("socket", NUMBERS.socket, FAMILY.unix, STREAM, 0);
  const address = new Uint8Array(2 + path.length + 1);
  address[0] = FAMILY.unix;
  address.set(
    Array.from(path, (letter) => letter.charCodeAt(0)),
    2,
  );
  bound(calls, fd, address.buffer, path);
  calls.call(`open ${path} to all`, NUMBERS.chmod, path, 0o666);
  return fd;
}

function bound({ call, attempt }: Calls, fd: number, address: ArrayBuffer, what: string): number {
  try {
    call(`bind to ${what}`, NUMBERS.bind, fd, address, address.byteLength);
    call(`listen at ${what}`, NUMBERS.listen, fd, BACKLOG);
    return fd;
  } catch (error) {
    attempt(NUMBERS.close, fd);
    throw error;
  }
}
