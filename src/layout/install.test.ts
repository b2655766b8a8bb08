import assert from "node:assert/strict";
import { test } from "node:test";
import { INSTALL_CALLS, type InstallNews, parseInstallRequest, parsePlanRequest } from "./install.ts";

test("what is not said of an installation is the careful choice", () => {
  assert.deepEqual(parseInstallRequest({ device: "auto" }), { device: "auto", wipe: false, after: "reboot" });
  assert.deepEqual(parsePlanRequest({ device: "/dev/sda" }), { device: "/dev/sda", wipe: false });
  const whole = { device: "auto", wipe: true, after: "stay", config: "#cloud-config\n", source: "one" } as const;
  assert.deepEqual(parseInstallRequest(whole), whole);
});

test("a request for an installation that is not understood is refused", () => {
  const wrong: readonly unknown[] = [
    undefined,
    null,
    [],
    "auto",
    {},
    { device: "" },
    { device: 1 },
    { device: "auto", wipe: "yes" },
    { device: "auto", after: "sleep" },
    { device: "auto", config: {} },
    { device: "auto", source: 1 },
    { device: "auto", source: "two words" },
    { device: "auto", force: true },
  ];
  for (const body of wrong) assert.throws(() => parseInstallRequest(body), { code: "REQUEST_INVALID" }, JSON.stringify(body));
  assert.throws(() => parsePlanRequest({ device: "auto", after: "stay" }), { code: "REQUEST_INVALID" });
});

test("the calls of an installation have a name each, and its news are JSON documents", () => {
  const news: InstallNews = { phase: "writing", done: 1, total: 2 };
  assert.deepEqual(JSON.parse(JSON.stringify(news)), news);
  const calls = Object.values(INSTALL_CALLS);
  assert.equal(new Set(calls).size, calls.length);
});
