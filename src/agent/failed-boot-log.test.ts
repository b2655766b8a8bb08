import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { BootEntry, Ending } from "../layout/agent-state.ts";
import { RESTARTS } from "../layout/health-plan.ts";
import { findLog, type LogSources } from "./failed-boot-log.ts";

const ended = (how: Ending): BootEntry => ({
  ...(how === "unseen" ? {} : { id: "1" }),
  ...{ slot: "b", version: "1.0", at: 0, healthy: false, end: { how, reason: "web: status 500" } },
});
const sources = (more: { journal?: string; pstore?: string; words?: string }): LogSources => ({
  journal: async () => await Promise.resolve(more.journal),
  pstore: async () => await Promise.resolve(more.pstore),
  lastWords: async () =>
    await Promise.resolve(more.words === undefined ? undefined : { slot: "b", reason: more.words, log: "k" }),
});

suite("the log of a boot that failed", () => {
  const decision = `petrifyd[235]: slot b${RESTARTS}web: status 500`;
  const stopping = Array.from({ length: 200 }, (_, n) => `systemd[1]: Stopped unit ${n}`);
  const TABLE: readonly (readonly [what: string, how: Ending, given: Parameters<typeof sources>[0], wanted: string])[] = [
    ["is its journal", "unexpected", { journal: "one\ntwo\n", pstore: "panic" }, "journal: one\ntwo"],
    [
      "that was not healthy ends with its agent's decision, not with how it stopped",
      "unhealthy",
      { journal: ["web failed", decision, ...stopping, decision].join("\n") },
      `journal: web failed\n${decision}`,
    ],
    [
      "that nobody has judged ends with why it was restarted",
      "unexpected",
      { journal: ["kernel: one", decision, ...stopping].join("\n") },
      `journal: kernel: one\n${decision}`,
    ],
    ["that was not healthy is whole where the decision is not in it", "unhealthy", { journal: "one\ntwo" }, "journal: one\ntwo"],
    ["is what the kernel left where there is no journal", "unexpected", { pstore: "panic" }, "pstore: panic"],
    ["that died early are its last words", "unseen", { journal: "of another", words: "no disk" }, "last words: no disk\nk"],
    ["that left nothing says so", "unseen", {}, "none: no log: it died before its journal had begun"],
  ];
  for (const [what, how, given, wanted] of TABLE) {
    test(what, async () => {
      const { source, text } = await findLog(ended(how), [], sources(given));
      assert.equal(`${source}: ${text}`, wanted);
    });
  }

  test("is short", async () => {
    const { text } = await findLog(ended("unexpected"), [], sources({ journal: stopping.join("\n") }));
    assert.deepEqual(text.split("\n"), stopping.slice(-40));
  });
});
