import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import {
  imageCommandLine,
  loaderCommandLine,
  parseCommandLine,
  ramCommandLine,
  serialConsoles,
  type RamArguments,
} from "./cmdline.ts";

const rootHash = "0123456789abcdef".repeat(4);
const disk = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const loader = { slot: "a", disk, file: "/a.img" } as const;
const whole = `BOOT_IMAGE=(loop0)/vmlinuz ${imageCommandLine({ rootHash, words: ["quiet"] })} ${loaderCommandLine(loader)}\n`;

test("what the builder and the boot loader write is what the initrd reads", () => {
  assert.deepEqual(parseCommandLine(whole), { ...loader, rootHash, panicSeconds: 5 });
});

test("a boot from memory is read back", () => {
  const text = `${imageCommandLine({ rootHash })} ${ramCommandLine({ size: 123_456, memory: 654_321 })}`;
  assert.deepEqual(parseCommandLine(text), { slot: "ram", size: 123_456, memory: 654_321, rootHash, panicSeconds: 5 });
  const { memory: _, ...without } = parseCommandLine(text) as RamArguments;
  assert.deepEqual(parseCommandLine(text.replace(/ petrify.memory=\d+/, "")), without);
  assert.throws(() => parseCommandLine(text.replace("size=123456", "size=12x")), { message: /malformed petrify.size: "12x"/ });
});

test("the image's part is fixed words around the recipe's", () => {
  assert.equal(
    imageCommandLine({ rootHash, words: ["quiet", "mitigations=off"] }),
    `petrify.roothash=${rootHash} panic=5 oops=panic softlockup_panic=1 nmi_watchdog=panic watchdog_thresh=30 console=tty0 console=ttyS0 quiet mitigations=off`,
  );
});

for (const [what, change, message] of [
  ["a missing root hash", (t: string) => t.replace(/petrify.roothash=\S+/, ""), /has no petrify.roothash/],
  ["a short root hash", (t: string) => t.replace(rootHash, "abc"), /malformed petrify.roothash: "abc"/],
  ["an unknown slot", (t: string) => t.replace("slot=a", "slot=c"), /malformed petrify.slot: "c"/],
  ["a second, different root hash", (t: string) => `${t} petrify.roothash=${"f".repeat(64)}`, /has petrify.roothash twice/],
  ["a relative file", (t: string) => t.replace("/a.img", "a.img"), /malformed petrify.file/],
  ["a disk that is no GUID", (t: string) => t.replace(disk, "sda5"), /malformed petrify.disk: "sda5"/],
  ["nothing at all", () => "", /has no petrify.slot/],
] as const) {
  test(`${what} is refused by name`, () => {
    assert.throws(() => parseCommandLine(change(whole)), { code: "CMDLINE_INVALID", message });
  });
}

for (const [text, seconds] of [
  ["panic=10", 10],
  ["panic=0", 5],
  ["panic=-1", 5],
  ["panic=soon", 5],
  ["panic=86400", 60],
] as const) {
  test(`${text} keeps a failure on the screen for ${seconds} s`, () => {
    assert.equal(parseCommandLine(`${whole} ${text}`).panicSeconds, seconds);
  });
}

test("quoted words and GUIDs in upper case are read as the kernel and firmware write them", () => {
  const text = whole.replace("quiet", '"dyndbg=file x +p" module.x="petrify.slot=b c"').replace(disk, disk.toUpperCase());
  assert.deepEqual(parseCommandLine(text), { ...loader, rootHash, panicSeconds: 5 });
});

test("any text is either read or refused", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(whole.length), (noise, at) => {
      try {
        parseCommandLine(whole.slice(0, at) + noise + whole.slice(at));
      } catch (error) {
        assert.ok(error instanceof AppError);
      }
    }),
  );
});

for (const [words, consoles] of [
  [[], ["ttyS0"]],
  [
    ["console=ttyAMA0,115200n8", "console=hvc0"],
    ["ttyS0", "ttyAMA0", "hvc0"],
  ],
  [["console=tty1", "console=null", "console=ttyS0,9600", "loglevel=3"], ["ttyS0"]],
] as const) {
  test(`with ${words.join(" ") || "no words of its own"} an image's serial consoles are ${consoles.join(" and ")}`, () => {
    assert.deepEqual(serialConsoles(words), consoles);
  });
}
