import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { parseInstallWords, type InstallWords } from "./install-words.ts";

const MEDIUM = "0123456789abcdef0123456789abcdef";
const NOTHING: InstallWords = { wish: {}, isInstaller: false };

const UNDERSTOOD: Readonly<Record<string, InstallWords>> = {
  "": NOTHING,
  "quiet console=ttyS0 petrify.slot=ram petrify.size=1": NOTHING,
  "petrify.install.device=/dev/sda": { ...NOTHING, wish: { device: "/dev/sda" } },
  "petrify.install.device=auto petrify.install.wipe petrify.install.after=poweroff": {
    ...NOTHING,
    wish: { device: "auto", wipe: true, after: "poweroff" },
  },
  'petrify.install.device="serial:A B"': { ...NOTHING, wish: { device: "serial:A B" } },
  "petrify.install.device=size:>=100G": { ...NOTHING, wish: { device: "size:>=100G" } },
  "petrify.install.wipe=no": { ...NOTHING, wish: { wipe: false } },
  "petrify.install.wipe petrify.install.wipe=false": { ...NOTHING, wish: { wipe: false } },
  "petrify.config_url=https://config.example/%7bmac%7d": { ...NOTHING, configUrl: "https://config.example/%7bmac%7d" },
  [`petrify.medium=${MEDIUM} petrify.installer`]: { ...NOTHING, medium: MEDIUM, isInstaller: true },
  "petrify.installer=x petrify.medium=short": { ...NOTHING, isInstaller: true },
};
for (const [line, words] of Object.entries(UNDERSTOOD)) {
  test(`the command line "${line}" is understood`, () => assert.deepEqual(parseInstallWords(line), words));
}

const REFUSED: Readonly<Record<string, RegExp>> = {
  "petrify.install.device=": /malformed petrify\.install\.device/,
  "petrify.install.wipe=maybe": /malformed petrify\.install\.wipe: "maybe"/,
  "petrify.install.wipe=__proto__": /malformed petrify\.install\.wipe/,
  "petrify.install.after=halt": /malformed petrify\.install\.after: "halt"/,
  "petrify.config_url=ftp://config.example/": /malformed petrify\.config_url/,
  "petrify.install.devise=auto": /nobody knows: petrify\.install\.devise/,
};
for (const [line, message] of Object.entries(REFUSED)) {
  test(`the command line "${line}" is refused`, () =>
    assert.throws(() => parseInstallWords(line), { code: "CMDLINE_INVALID", message }));
}

test("any text is either read or refused", () => {
  const words = fc.constantFrom("petrify.install.", "device", "wipe", "after", "=", " ", '"', "petrify.config_url=", "http://");
  const mix = fc.array(fc.oneof(words, fc.string({ unit: "binary", maxLength: 5 })), { maxLength: 30 });
  fc.assert(
    fc.property(mix, (parts) => {
      try {
        parseInstallWords(parts.join(""));
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "CMDLINE_INVALID", String((error as Error).stack));
      }
    }),
    { numRuns: 1000 },
  );
});
