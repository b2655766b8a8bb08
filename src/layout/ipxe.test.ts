import assert from "node:assert/strict";
import { test } from "node:test";
import { ipxeScript, kernelWord } from "./ipxe.ts";

test("a script loads initrd and kernel from beside it, and boots them", () => {
  assert.equal(
    ipxeScript("panic=5 petrify.slot=ram"),
    "#!ipxe\ninitrd --name initrd initrd\nkernel vmlinuz initrd=initrd panic=5 petrify.slot=ram\nboot\n",
  );
});

test("a machine's config is chosen by its address, else the default one; it comes behind the initrd", () => {
  assert.equal(
    ipxeScript("panic=5", ["52-54-00-12-34-56", "default", "52-54-00-12-34-57"]),
    [
      "#!ipxe",
      "initrd --name initrd initrd",
      "set machine default",
      "iseq ${mac:hexhyp} 52-54-00-12-34-56 && set machine 52-54-00-12-34-56 ||",
      "iseq ${mac:hexhyp} 52-54-00-12-34-57 && set machine 52-54-00-12-34-57 ||",
      "isset ${machine} || goto boot",
      "initrd --name machine.cpio machine/${machine}.cpio",
      "set words initrd=machine.cpio",
      ":boot",
      "kernel vmlinuz initrd=initrd ${words} panic=5",
      "boot",
      "",
    ].join("\n"),
  );
});

test("the fetch of a config that is there has no way around it", () => {
  const line = ipxeScript("panic=5", ["default"])
    .split("\n")
    .find((each) => each.includes("machine.cpio machine/"))!;
  assert.doesNotMatch(line, /\|\|/);
});

for (const word of ["quiet", "console=ttyS1,115200n8", 'a="b"', "petrify.config_url=http://192.0.2.1/x", "size:>=100G", "a#"]) {
  test(`${word} is a word for the kernel`, () => assert.equal(kernelWord(word), word));
}
for (const word of [
  "",
  "a b",
  "a\nboot",
  "${net0/mac}",
  "#x",
  "||",
  "&&",
  ";",
  "é",
  "petrify.roothash=00",
  "petrify.slot=a",
  "petrify.size",
  "petrify.memory=1",
]) {
  test(`${JSON.stringify(word)} is none`, () => assert.throws(() => kernelWord(word), { code: "KERNEL_WORD_INVALID" }));
}
