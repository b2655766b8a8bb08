/** Loaded into a program before its own: what it reads of the clock is `PETRIFY_TEST_CLOCK_AHEAD` seconds ahead. OpenSSL reads the kernel's. */
const ahead = Number(process.env["PETRIFY_TEST_CLOCK_AHEAD"]) * 1000;
const Real = Date;

globalThis.Date = new Proxy(Real, {
  construct: (target, args: unknown[], self) =>
    Reflect.construct(target, args.length > 0 ? args : [Real.now() + ahead], self) as Date,
  get: (target, name) => (name === "now" ? () => Real.now() + ahead : (Reflect.get(target, name) as unknown)),
});
