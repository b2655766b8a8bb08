import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceReport } from "../../agent/config-sources.ts";
import { sourcesText } from "./sources.ts";

const place = (name: SourceReport["name"], given: Partial<SourceReport> = {}): SourceReport => ({
  ...{ name, is: "none", waits: false, documents: [], problems: [] },
  ...given,
});

test("every place is named, with what it has and why it is not used", () => {
  const sources = [
    place("image"),
    place("oem", {
      is: "found",
      waits: true,
      documents: [{ origin: "/oem/machine.yaml", bytes: 1300, keys: ["hostname", "config_url"], isKept: false }],
      problems: ["/oem/broken.yaml:3:1: the indentation does not fit"],
    }),
    place("nocloud", {
      is: "found",
      place: "/dev/sr0",
      documents: [{ origin: "cidata/meta-data", bytes: 34, keys: [], isKept: false }],
    }),
    place("fw-cfg", { is: "kept", documents: [{ origin: "fw_cfg/x", bytes: 20, keys: ["users"], isKept: true }] }),
    place("ec2", { is: "awaited", waits: true }),
    place("cmdline", { is: "unusable", problems: ["http://a/c is another file than was meant"] }),
  ];
  assert.equal(
    sourcesText({ sources, waitsForNetwork: true }),
    [
      "image         -",
      "oem           found, the rest waits for the network",
      "              /oem/machine.yaml (1.3 KiB): hostname, config_url",
      "              left out: /oem/broken.yaml:3:1: the indentation does not fit",
      "nocloud       found on /dev/sr0",
      "              cidata/meta-data (34 B): nothing is set",
      "fw-cfg        kept: it is as it was the last time",
      "              fw_cfg/x (20 B, kept): users",
      "ec2           waits for the network",
      "cmdline       cannot be used",
      "              left out: http://a/c is another file than was meant",
      "instance      only the network can tell",
    ].join("\n"),
  );
});

test("recovery says that it looks nowhere", () => {
  assert.match(sourcesText({ sources: [], waitsForNetwork: false, instance: "x" }), /^The recovery system takes no config/);
});
