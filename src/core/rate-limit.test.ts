import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { rateLimit } from "./rate-limit.ts";

const tries = (limit: ReturnType<typeof rateLimit>, key: string, at: readonly number[]): boolean[] =>
  at.map((now) => limit.take(key, now));

suite("tries", () => {
  test("are as many at once as the burst, then one in so many seconds", () => {
    const limit = rateLimit({ burst: 2, seconds: 10, keys: 8 });
    assert.deepEqual(tries(limit, "a", [0, 0, 0, 5, 10, 11, 20]), [true, true, false, false, true, false, true]);
  });

  test("are saved up to the burst, and no further", () => {
    const limit = rateLimit({ burst: 2, seconds: 10, keys: 8 });
    assert.deepEqual(tries(limit, "a", [0, 1000, 1000, 1000]), [true, true, true, false]);
  });

  test("are everybody's own", () => {
    const limit = rateLimit({ burst: 1, seconds: 10, keys: 8 });
    assert.deepEqual([limit.take("a", 0), limit.take("a", 0), limit.take("b", 0)], [true, false, true]);
  });

  test("do not come back where the clock goes back", () => {
    const limit = rateLimit({ burst: 1, seconds: 10, keys: 8 });
    assert.deepEqual(tries(limit, "a", [1000, 0, 5]), [true, false, false]);
  });

  test("of more than are remembered are those of who came last", () => {
    const limit = rateLimit({ burst: 1, seconds: 10, keys: 2 });
    for (const key of ["a", "b", "c"]) assert.ok(limit.take(key, 0));
    assert.deepEqual([limit.take("c", 0), limit.take("b", 0), limit.take("a", 0)], [false, false, true]);
  });
});
