/**
 * Machines that boot from the network, as far as their firmware asks what to boot: `node dhcp-client.ts ADDRESS QUESTION…`, each as JSON. Prints a line
 * of JSON for each: what the answer says, or null where there is none when the last one to its port, which must have an answer, has got it: a server
 * answers what comes to one port in order.
 * Source: RFC 2131 2, RFC 4578, PXE 2.1 2.2
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface DhcpQuestion {
  /** Of the firmware, option 93. */
  readonly arch: number;
  /** Asks as iPXE does. */
  readonly ipxe?: boolean;
  /** What a menu that was offered has for it: asks the boot server itself, as firmware does after a proxy's offer. 0: without saying which. */
  readonly item?: number;
}
export interface DhcpAnswer {
  /** Message type, option 53. */
  readonly type: number;
  readonly address: string;
  readonly file: string;
  /** Options that are there. */
  readonly options: readonly number[];
  /** Items of the menu to choose from. */
  readonly menu: readonly number[];
}

const COOKIE = [99, 130, 83, 99];
const LIMIT_MS = 40_000;
const [DHCP, BOOT_SERVER] = [67, 4011] as const;

function question(id: number, { arch, ipxe = false, item }: DhcpQuestion, own: string): Buffer {
  const head = Buffer.alloc(236);
  head.set([1, 1, 6, 0]);
  head.writeUInt32BE(id, 4);
  head.writeUInt16BE(0x8000, 10); // answer to everybody: it has no address yet
  if (item !== undefined) head.set(own.split(".").map(Number), 12);
  head.set([0x52, 0x54, 0, 0x12, 0x34, id], 28);
  const text = (code: number, value: string): number[] => [code, value.length, ...Buffer.from(value)];
  const options = [
    ...[53, 1, item === undefined ? 1 : 3],
    ...text(60, `PXEClient:Arch:${String(arch).padStart(5, "0")}:UNDI:003016`),
    ...[93, 2, arch >> 8, arch & 0xff, 94, 3, 1, 3, 16],
    ...[97, 17, 0, ...Array.from({ length: 16 }, (_, at) => at)],
    ...[55, 7, 1, 3, 6, 43, 60, 66, 67],
    ...(!item ? [] : [43, 6, 71, 4, item >> 8, item & 0xff, 0, 0]),
    ...(ipxe ? [...text(77, "iPXE"), 175, 6, 177, 1, 1, 19, 1, 1] : []),
  ];
  return Buffer.concat([head, Buffer.from([...COOKIE, ...options, 255])]);
}

/** Code, length, value; 0 is padding, 255 the end. */
function decode(bytes: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length && bytes[at] !== 255;) {
    const [code, length] = [bytes[at]!, bytes[at + 1] ?? 0];
    if (code !== 0) options.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += code === 0 ? 1 : 2 + length;
  }
  return options;
}

/** Type (2 bytes), length, name. Source: PXE 2.1, PXE_BOOT_MENU */
function menuOf(bytes: Buffer): number[] {
  const items: number[] = [];
  for (let at = 0; at + 3 <= bytes.length; at += 3 + bytes[at + 2]!) items.push(bytes.readUInt16BE(at));
  return items;
}

function answer(bytes: Buffer): DhcpAnswer {
  const options = decode(bytes.subarray(240));
  const text = (part: Buffer): string => part.toString("latin1").replace(/\0.*$/s, "");
  const inField = text(bytes.subarray(108, 236));
  return {
    type: options.get(53)?.[0] ?? 0,
    address: [...bytes.subarray(16, 20)].join("."),
    file: inField || text(options.get(67) ?? Buffer.alloc(0)),
    options: [...options.keys()].toSorted((a, b) => a - b),
    menu: menuOf(decode(options.get(43) ?? Buffer.alloc(0)).get(9) ?? Buffer.alloc(0)),
  };
}

const [own = "", ...words] = process.argv.slice(2);
const questions = words.map((text) => {
  const asked = JSON.parse(text) as DhcpQuestion;
  return { asked, port: asked.item === undefined ? DHCP : BOOT_SERVER };
});
const awaited = new Set([DHCP, BOOT_SERVER].map((port) => questions.findLastIndex((one) => one.port === port)));
awaited.delete(-1);
const socket = createSocket("udp4");
socket.bind(68, "0.0.0.0");
await once(socket, "listening");
socket.setBroadcast(true);
const answers: (DhcpAnswer | null)[] = questions.map(() => null);
const last = Promise.withResolvers<void>();
socket.on("message", (bytes) => {
  const index = bytes.readUInt32BE(4) - 1;
  answers[index] ??= answer(bytes);
  awaited.delete(index);
  if (awaited.size === 0) last.resolve();
});
const limit = setTimeout(() => last.resolve(), LIMIT_MS);
for (const [index, { asked, port }] of questions.entries()) socket.send(question(index + 1, asked, own), port, "255.255.255.255");
await last.promise;
clearTimeout(limit);
socket.close();
for (const one of answers) process.stdout.write(`${JSON.stringify(one)}\n`);
