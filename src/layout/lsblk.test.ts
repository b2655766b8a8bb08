import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { parseLsblk, withChildren } from "./lsblk.ts";

const SAID = JSON.stringify({
  blockdevices: [
    {
      ...{ name: "/dev/sda", type: "disk", size: 1000, ro: false, rm: true, "log-sec": 4096, pkname: null, tran: "usb" },
      ...{ model: "Flash\u001b[31m Drive ", serial: "0123", fstype: null, label: null, partlabel: null, mountpoints: [null] },
      children: [
        {
          ...{
            name: "/dev/sda1",
            type: "part",
            size: "500",
            ro: "1",
            rm: "0",
            "log-sec": 512,
            pkname: "/dev/sda",
            fstype: "LVM2_member",
          },
          ...{ label: null, partlabel: "data", mountpoints: [] },
          children: [{ name: "/dev/mapper/vg-root", type: "lvm", size: 400, mountpoints: ["/", "/srv"], label: "root" }],
        },
      ],
    },
  ],
});

test("devices are read with what lies on them, at any depth", () => {
  const [disk] = parseLsblk(SAID);
  assert.deepEqual(
    withChildren(disk!).map(({ path, type, mounts, label, parent }) => [path, type, mounts, label, parent]),
    [
      ["/dev/sda", "disk", [], undefined, undefined],
      ["/dev/sda1", "part", [], "data", "/dev/sda"],
      ["/dev/mapper/vg-root", "lvm", ["/", "/srv"], "root", undefined],
    ],
  );
  const { model, serial, removable, readOnly, sectorSize, transport } = disk!;
  assert.deepEqual(
    [model, serial, removable, readOnly, sectorSize, transport],
    ["Flash [31m Drive", "0123", true, false, 4096, "usb"],
  );
  assert.deepEqual([disk!.children[0]!.readOnly, disk!.children[0]!.size], [true, 500]);
});

test("whatever lsblk says, it is understood or refused", () => {
  const parse = (text: string): void => {
    try {
      withChildren({ ...parseLsblk(SAID)[0]!, children: parseLsblk(text) });
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "LSBLK_UNREADABLE", String(error));
    }
  };
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), parse));
  parse('{"blockdevices": [{"name": "a", "type": "disk", "size": {"toString": ""}, "log-sec": {"valueOf": 0, "toString": 0}}]}');
  parse('{"blockdevices": [{"name": "a", "type": "disk", "size": 1, "log-sec": {"toString": ""}}]}');
  const device = fc.letrec((tie) => ({
    one: fc.record(
      {
        ...{ name: fc.anything(), type: fc.oneof(fc.constant("disk"), fc.anything()), size: fc.oneof(fc.nat(), fc.anything()) },
        ...{ ro: fc.anything(), mountpoints: fc.anything(), model: fc.anything() },
        children: fc.oneof(fc.array(tie("one"), { maxLength: 3 }), fc.anything()),
      },
      { requiredKeys: [] },
    ),
  })).one;
  const text = fc.array(device).map((blockdevices) => {
    try {
      return JSON.stringify({ blockdevices });
    } catch {
      return "";
    }
  });
  fc.assert(fc.property(text, parse));
});
