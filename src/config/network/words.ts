/** @portable The values that a description of a network is made of. */
import { z } from "zod";
import { nearest } from "../nearest.ts";
import { familyOf, isEverywhere, prefixOf, type Family } from "./ip.ts";

/** Never in a message, a log, or `render` without `--show-secrets`. */
const secret = { secret: true } as const;

const word = (pattern: RegExp, expected: string): z.ZodString => z.string().regex(pattern, expected);

/** A mapping that has these keys and no others; a key that is not known is told with the one that was probably meant. */
export const keys = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => unknownKey(key, taken(shape))).join("; ") : undefined,
  });
/** Those that are not {@link refused}. */
const taken = (shape: z.ZodRawShape): string[] => Object.keys(shape).filter((key) => !isRefused(shape[key]));
const isRefused = (schema: unknown): boolean => "not" in ((schema as z.ZodType | undefined)?.meta() ?? {});
function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  const shown = JSON.stringify(key.slice(0, 40));
  return meant === undefined ? `${shown} is not a key here` : `${shown} is not a key here, did you mean ${meant}?`;
}

/** A key of netplan's that is not taken, and why: the end of a sentence that starts with the key. */
export const refused = (why: string) =>
  z
    .unknown()
    .refine(() => false, why)
    .meta({ description: `Refused: ${why}`, not: {} })
    .optional();

/** Netplan's truth values, which are those of YAML 1.1. */
export const Flag = z.union([
  z.boolean(),
  z.enum(["yes", "no", "on", "off", "y", "n"]).transform((text) => ["yes", "on", "y"].includes(text)),
]);
export const Whole = (least: number, most: number) =>
  z.int().min(least, `must be ${least} … ${most}`).max(most, `must be ${least} … ${most}`);

/** Nothing that ends a line of a configuration file, nor anything that is not shown. */
// eslint-disable-next-line no-control-regex -- that is what is refused
export const Line = word(/^[^\0-\x1f\x7f]*$/, "must be one line of text").max(1000, "must be at most 1000 characters");
export const SecretLine = Line.min(1, "must not be empty").meta(secret);

/** What a link is called in the description; of one that is made, and of one without `match`, also its name. */
export const LinkId = word(/^[A-Za-z0-9_][A-Za-z0-9_.@+=-]{0,63}$/, "must be a name: letters, digits and _ . @ + = -");
/** Source: systemd, ifname_valid(); without what would be a pattern or a specifier in one of the files */
export const InterfaceName = LinkId.max(15, "must be at most 15 characters, as names of interfaces").refine(
  isInterfaceName,
  "is no name that an interface may have",
);
export function isInterfaceName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.@+=-]{0,14}$/.test(name) && !/^\d+$/.test(name) && name !== "all" && name !== "default";
}
/** With `*`, `?` and `[…]`. */
export const NamePattern = word(
  /^[A-Za-z0-9_.@+=*?[\]-]{1,60}$/,
  "must be the name of an interface, perhaps with * ? [ ] for several",
);
export const Driver = word(/^[A-Za-z0-9_.*?[\]-]{1,60}$/, "must be the name of a driver, perhaps with * ? [ ] for several");
export const Mac = word(/^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/, "must be a hardware address, such as 52:54:00:12:34:56");

export const Address = z.string().refine((text) => familyOf(text) !== undefined, "must be an address of IPv4 or IPv6");
export const AddressOf = (family: Family) =>
  z.string().refine((text) => familyOf(text) === family, `must be an address of IPv${family}`);
/** `10.0.0.1/24`: an address in its network. */
export const Cidr = z
  .string()
  .refine((text) => prefixOf(text) !== undefined, "must be an address and the bits of its network, such as 192.0.2.7/24");
/** A network, or one address. */
export const Network = z
  .string()
  .refine((text) => prefixOf(text, true) !== undefined, "must be a network, such as 192.0.2.0/24, or an address");
export const Destination = z
  .string()
  .refine((text) => isEverywhere(text) || prefixOf(text, true) !== undefined, "must be default, a network or an address");

export const Domain = word(
  /^~?(?:\.|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?)$/,
  "must be a domain, such as a.example",
);
export const HostName = word(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/, "must be a host name");

/** Milliseconds where no unit stands there. */
export const MilliSpan = z.union([
  Whole(0, 86_400_000),
  word(/^\d{1,8}(?:us|ms|s|m|min)?$/, "must be a time: a number of milliseconds, or 100ms, 2s"),
]);
/** Seconds where no unit stands there. */
export const SecondSpan = z.union([
  Whole(0, 4_294_967),
  word(/^\d{1,8}(?:us|ms|s|m|min|h)?$/, "must be a time: a number of seconds, or 100ms, 2min"),
]);

/** Base64 of 32 bytes. Source: wg(8) */
const KEY = String.raw`[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=`;
export const PublicKey = word(new RegExp(`^${KEY}$`), "must be a key of WireGuard in base64, as `wg pubkey` prints it");
/** A private or shared key of WireGuard, or the file that holds it. */
export const KeyOrFile = word(
  new RegExp(String.raw`^(?:${KEY}|/(?!.*\.\.)[A-Za-z0-9_.@+/-]{1,200})$`),
  "must be a key of WireGuard in base64, or the absolute path of a file that holds it",
).meta(secret);
/** Source: ip-tunnel(8), `key` */
export const TunnelKey = z.union([
  Whole(0, 4_294_967_295),
  z
    .string()
    .refine(
      (text) => familyOf(text) === 4 || (/^\d{1,10}$/.test(text) && Number(text) <= 4_294_967_295),
      "must be a number, or four numbers with dots",
    )
    .meta(secret),
]);
export const Endpoint = word(
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):[1-9]\d{0,4}$/,
  "must be HOST:PORT, of IPv6 [ADDRESS]:PORT",
);
export const CertificatePath = word(
  /^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\0-\x1f\x7f"]{1,500}$/, // eslint-disable-line no-control-regex -- that is what is refused
  "must be an absolute path",
);
