import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { cpuUse, parseCpuSeconds, parseCpuTimes, parseProcessStat } from "./proc-stat.ts";

suite("processors", () => {
  const text = "cpu  200 10 30 400 5 1 2 3 9 9\ncpu0 100 5 15 200 2 0 1 1 0 0\nintr 99\nctxt 1\n";
  test("are read: all together, then each", () => {
    assert.deepEqual(parseCpuTimes(text), [
      { user: 210, system: 30, interrupts: 3, waiting: 5, idle: 400, stolen: 3 },
      { number: 0, user: 105, system: 15, interrupts: 1, waiting: 2, idle: 200, stolen: 1 },
    ]);
  });

  test("did between two looks what the difference says, in percent", () => {
    const [before] = parseCpuTimes("cpu  100 0 0 100 50 0 0 0 0 0");
    const [after] = parseCpuTimes("cpu  150 25 25 200 49 0 0 0 0 0");
    assert.deepEqual(cpuUse(before!, after!), { user: 37.5, system: 12.5, interrupts: 0, waiting: 0, idle: 50, stolen: 0 });
    assert.equal(cpuUse(before!, before!).idle, 100);
  });
});

suite("a process", () => {
  const line =
    "22959 (cat) R 22952 22952 11328 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 1587785 3133440 382 18446744073709551615 94915179900928 0 0 0 0\n";
  const expected = {
    pid: 22_959,
    name: "cat",
    state: "R",
    parent: 22_952,
    ticks: 12,
    threads: 1,
    start: 1_587_785,
    resident: 382,
  };
  test("is read", () => assert.deepEqual(parseProcessStat(line), { ...expected, ofKernel: false }));

  test("may have any name", () => {
    for (const name of ["a) S 1 (b", "x y", "(", ")", "", "\n"])
      assert.deepEqual(parseProcessStat(line.replace("cat", name)), { ...expected, name, ofKernel: false });
  });

  test("is the kernel's own by its flag", () => {
    assert.equal(parseProcessStat(line.replace("4194304", "69238880"))?.ofKernel, true);
  });

  for (const text of ["", "1 (x) S", "1 (x) S 1 2 3", line.replace("22952", "x"), line.replace("382", "-1")])
    test(`is not ${JSON.stringify(text.slice(0, 40))}`, () => assert.equal(parseProcessStat(text), undefined));
});

test("time of processors is in seconds, of all of them together", () => {
  const text = "cpu  1000 20 300 40000 50 0 7 0 0 0\ncpu0 500 10 150 20000 25 0 3 0 0 0\nintr 1\n";
  const all = { user: 10, nice: 0.2, system: 3, idle: 400, iowait: 0.5, irq: 0, softirq: 0.07, steal: 0 };
  assert.deepEqual(parseCpuSeconds(text), all);
  assert.deepEqual(parseCpuSeconds("cpu  100 0\n"), { user: 1, nice: 0 }, "an older kernel says less");
  assert.deepEqual(parseCpuSeconds("x"), {});
});

test("any text is read, or is none", () => {
  const part = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom("cpu", "cpu1", " ", "1 (", ") S ", "\n"));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
      const text = parts.join("");
      assert.ok(Object.values(parseCpuSeconds(text)).every(Number.isFinite));
      for (const times of parseCpuTimes(text)) assert.ok(Object.values(times).every(Number.isFinite));
      assert.ok(Number.isSafeInteger(parseProcessStat(text)?.start ?? 0));
    }),
  );
});
