import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { GiB } from "../core/units.ts";
import { decodeNamedVm, differences, encodeNamedVm, requireVmName, type NamedVm } from "./named-vm.ts";

const VM: NamedVm = {
  ...{ format: 1, name: "web", source: { path: "/srv/web.img", sha256: "a".repeat(64) } },
  ...{ image: { name: "web", version: "0.1.0" }, disk: { format: "raw", size: 20 * GiB }, firmware: "uefi" },
  ...{ memory: GiB, cpus: 2, forwards: [{ host: 8080, guest: 80 }], online: true },
};

suite("the name of a VM", () => {
  for (const name of ["a", "web", "web-1", "0", "a".repeat(63)]) {
    test(`may be ${name}`, () => assert.doesNotThrow(() => requireVmName(name)));
  }
  for (const name of ["", "Web", "-a", "a-", ".", "..", "a/b", "a b", "a.b", "a\n", "ä", "a".repeat(64)]) {
    test(`may not be ${JSON.stringify(name)}`, () => assert.throws(() => requireVmName(name), { code: "VM_NAME_INVALID" }));
  }
});

suite("the description of a VM", () => {
  test("is read as it was written", () => assert.deepEqual(decodeNamedVm("web", encodeNamedVm(VM)), VM));

  test("says how it has a medium, which makes another VM of it", () => {
    const other: NamedVm = { ...VM, medium: "usb" };
    assert.deepEqual(decodeNamedVm("web", encodeNamedVm(other)), other);
    assert.deepEqual(differences(VM, other), ["--medium"]);
  });

  const refused: readonly [what: string, text: string, says: RegExp][] = [
    ["a torn one", encodeNamedVm(VM).slice(0, 80), /damaged/],
    ["that of another VM", encodeNamedVm({ ...VM, name: "db" }), /another name/],
    ["a newer format", JSON.stringify({ ...VM, format: 2, new: true }), /has format 2, and this petrify knows 1/],
    ["a key that nobody knows", JSON.stringify({ ...VM, colour: "red" }), /colour/],
    ["a port that is none", JSON.stringify({ ...VM, forwards: [{ host: 0, guest: 80 }] }), /forwards\.0\.host/],
    ["a disk elsewhere", JSON.stringify({ ...VM, disk: { format: "../../etc" } }), /disk\.format/],
  ];
  for (const [what, text, says] of refused) {
    test(`is refused when it is ${what}`, () =>
      assert.throws(
        () => decodeNamedVm("web", text),
        (error) => error instanceof AppError && error.code === "VM_UNREADABLE" && says.test(error.message),
      ));
  }

  test("is read or refused, whatever it is", () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({ key: fc.constantFrom(...Object.keys(VM)), value: fc.jsonValue() })
        .map(({ key, value }) => JSON.stringify({ ...VM, [key]: value })),
    );
    fc.assert(
      fc.property(text, (any) => {
        try {
          decodeNamedVm("web", any);
        } catch (error) {
          assert.ok(error instanceof AppError, String(error));
        }
      }),
    );
  });
});

suite("what differs between two VMs", () => {
  const cases: readonly [what: string, change: Partial<NamedVm>, differs: readonly string[]][] = [
    ["nothing, where the same image lies elsewhere", { source: { ...VM.source, path: "/tmp/web.img" } }, []],
    ["another image", { source: { path: VM.source.path, sha256: "b".repeat(64) } }, ["image"]],
    ["the size of the disk", { disk: { format: "raw" } }, ["--disk-size"]],
    ["the firmware, memory and processors", { firmware: "bios", memory: 2 * GiB, cpus: 1 }, ["--uefi", "--memory", "--cpus"]],
    ["ports and network", { forwards: [], online: false }, ["--forward", "--online"]],
  ];
  for (const [what, change, differs] of cases) {
    test(`is ${what}`, () => assert.deepEqual(differences(VM, { ...VM, ...change }), differs));
  }
  test("is not the order of ports", () => {
    const [a, b] = [
      { host: 1, guest: 1 },
      { host: 2, guest: 2 },
    ] as const;
    assert.deepEqual(differences({ ...VM, forwards: [a, b] }, { ...VM, forwards: [b, a] }), []);
  });
});
