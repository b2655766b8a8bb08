import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { decodeReply, decodeRequest, encodeLine, type ChannelReply, type ChannelRequest } from "./agent-channel.ts";

suite("a request", () => {
  const whole: readonly ChannelRequest[] = [
    { id: 0, call: "GET /status" },
    { id: 7, call: "POST /upgrade", body: { source: { is: "file", path: "/x" } } },
    { id: 7, call: "POST /upgrade", body: null },
    { id: 7, cancel: true },
  ];
  for (const request of whole) {
    const line = encodeLine(request);
    test(`is read as it was written: ${line.trim()}`, () => {
      assert.equal(line.indexOf("\n"), line.length - 1);
      assert.deepEqual(decodeRequest(line), request);
    });
  }

  const refused = [
    ["nothing", ""],
    ["no JSON", "status"],
    ["a list", "[]"],
    ["no id", '{"call":"GET /status"}'],
    ["an id that is no whole number", '{"id":1.5,"call":"GET /status"}'],
    ["an id below zero", '{"id":-1,"call":"GET /status"}'],
    ["an id that is text", '{"id":"1","call":"GET /status"}'],
    ["no call", '{"id":1}'],
    ["a call that is no text", '{"id":1,"call":{}}'],
    ["a call and its end", '{"id":1,"call":"GET /status","cancel":true}'],
    ["no end", '{"id":1,"cancel":false}'],
    ["an end with a body", '{"id":1,"cancel":true,"body":{}}'],
    ["something unknown", '{"id":1,"call":"GET /status","into":"a"}'],
  ] as const;
  for (const [what, line] of refused) {
    test(`with ${what} is refused`, () => assert.throws(() => decodeRequest(line), { code: "REQUEST_INVALID" }));
  }

  test("is read or refused, whatever the line is", () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(line, (text) => {
        try {
          decodeRequest(text);
        } catch (error) {
          assert.ok(error instanceof AppError, String(error));
        }
      }),
    );
  });
});

suite("a reply", () => {
  const whole: readonly ChannelReply[] = [
    { ready: { boot: "1b4e28ba", running: "a", state: "trial" } },
    { id: 3, value: { health: "healthy" } },
    { id: 3, value: null },
    { id: 3, end: true },
    { id: 3, error: { code: "X", message: "no" } },
    { error: { code: "X", message: "no", hint: "yes" } },
  ];
  for (const reply of whole) {
    const line = encodeLine(reply);
    test(`is read as it was written: ${line.trim()}`, () => assert.deepEqual(decodeReply(line), reply));
  }

  for (const line of ["", '{"id":3,"value":{"a"', '{"ready":true}', '{"id":3}', '{"value":1}', '{"error":"x"}', "7", "null"]) {
    test(`that is none is passed over: ${JSON.stringify(line)}`, () => assert.equal(decodeReply(line), undefined));
  }

  test("never throws", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeReply(text)));
  });
});
