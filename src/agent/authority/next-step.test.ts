import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nextStep, pausesOf, type Situation } from "./next-step.ts";

const DAY = 86_400;
const FROM = 20_000 * DAY;
const certificate = {
  ...{ issuer: "CN=petrify CA 1", subject: "CN=edge-7" },
  ...{ validFromDate: new Date(FROM * 1000), validToDate: new Date((FROM + 360 * DAY) * 1000) },
};
const owned: Situation = { isOwned: true, token: undefined, certificate, fingerprint: "SHA256:a", now: FROM };
const at = (days: number, about: Partial<Situation> = {}) => nextStep({ ...owned, now: FROM + days * DAY, ...about }).is;

suite("what a machine asks who signs for its authority", () => {
  for (const [name, step, is] of [
    ["nothing while its certificate is new", at(1), "nothing"],
    ["nothing until two thirds of its time are over", at(239.9), "nothing"],
    ["for another one soon after", at(270), "renew"],
    ["for another one when it is over", at(400), "renew"],
    ["nothing while its clock says 1970", at(-20_000), "nothing"],
    ["nothing where it has none of an authority", at(400, { certificate: undefined }), "nothing"],
    ["nothing where it has signed its own", at(400, { certificate: { ...certificate, issuer: "CN=edge-7" } }), "nothing"],
    ["nothing without an owner and a token", at(0, { isOwned: false }), "nothing"],
    ["to join, with a token and no owner", at(0, { isOwned: false, token: "x" }), "join"],
    ["nothing for its token once it has an owner", at(0, { token: "x" }), "nothing"],
  ] as const)
    test(`is ${name}`, () => assert.equal(step, is));

  test("is asked for at a time of the machine's own, within a month", () => {
    const due = (fingerprint: string): number => {
      for (let hour = 0; ; hour++) if (at(hour / 24, { fingerprint }) === "renew") return hour / 24;
    };
    const days = Array.from({ length: 20 }, (_, index) => due(`SHA256:${index}`));
    assert.ok(days.every((day) => day >= 240 && day <= 270));
    assert.ok(new Set(days).size > 15);
    assert.equal(due("SHA256:1"), due("SHA256:1"));
  });
});

test("pauses double, and are shortened by up to a half", () => {
  const seconds = (random: number): number[] => pausesOf(() => random).map((ms) => ms / 1000);
  assert.deepEqual(seconds(0), [5, 10, 20, 40, 80, 160, 320]);
  assert.deepEqual(seconds(1), [2.5, 5, 10, 20, 40, 80, 160]);
});
