/** @portable The values a recipe is made of: each schema says what is allowed and, when it is not, what is. */
import { z } from "zod";
import { AppError } from "../core/error.ts";
import { formatDuration, parseDuration, parseSize, type Seconds } from "../core/units.ts";

/** A pattern without its own text in the error: people read the sentence. */
const word = (pattern: RegExp, expected: string): z.ZodString => z.string().regex(pattern, expected);

/** One label of a host name (RFC 1123). */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
export const ImageName = word(new RegExp(`^${LABEL}$`), "must be lower-case letters, digits and dashes, at most 63");
export const HostName = word(new RegExp(`^${LABEL}(?:\\.${LABEL})*$`), "must be a host name in lower case").max(64);
export const ImageVersion = word(
  /^\d{1,9}(?:\.\d{1,9}){0,3}(?:[-+~][0-9A-Za-z][0-9A-Za-z.+~-]{0,40})?$/,
  "must be a version such as 1.4.0 or 2026.11.21-rc1",
);
export const Suite = word(/^[a-z][a-z0-9.-]{0,40}$/, "must be the name of a suite, such as trixie, bookworm or sid");
export const Component = word(/^[a-z][a-z0-9-]{0,40}$/, "must be the name of a component, such as main");
export const Mirror = z
  .url({ protocol: /^(https?|file)$/, error: "must be an http, https or file URL" })
  .regex(/^[^\s[\]]+$/, "must be an http, https or file URL");

/** Debian Policy 5.6.1; apt reads a dash at the end as "remove". */
export const PackageName = word(/^[a-z0-9][a-z0-9+.-]{0,98}[a-z0-9+.]$/, "must be the name of a Debian package");

/** Of systemd with its kind (systemd.unit(5)), of OpenRC with or without `.service`; {@link Recipe} tells which fits. */
export const UnitName = word(
  /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@+-]{0,240}$/,
  "must be the full name of a systemd unit, such as ssh.service, or of an OpenRC service, such as ssh",
);
const SYSTEMD_UNIT = /^[^+]+\.(?:service|socket|target|timer|path|mount|automount|swap|slice)$/;
const OPENRC_SERVICE = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
const OTHER_UNIT = /\.(?:socket|target|timer|path|mount|automount|swap|slice)$/;

/** What starts the services of an image. */
export type InitKind = "systemd" | "openrc";

/** Whether two names are the same unit's: OpenRC knows services only, so `ssh` and `ssh.service` are. */
export const sameUnit = (init: InitKind, a: string, b: string): boolean =>
  init === "systemd" ? a === b : openrcService(a) === openrcService(b);
export const openrcService = (name: string): string => name.replace(/\.service$/, "");

/** Why an init has no unit of that name, as a sentence about it; `undefined` when it can have one. */
export function whyNoUnit(init: InitKind, name: string): string | undefined {
  if (init === "systemd")
    return SYSTEMD_UNIT.test(name) ? undefined : "must be the full name of a systemd unit, such as ssh.service";
  if (OTHER_UNIT.test(name)) return "is a unit of systemd: OpenRC has services only";
  return OPENRC_SERVICE.test(name) ? undefined : "must be the name of an OpenRC service, such as ssh";
}

/** The names useradd(8) takes by default. */
export const UserName = word(/^[a-z_][a-z0-9_-]{0,31}$/, "must start with a letter and be lower-case letters, digits, - and _");
/** Ids that no one hands out by itself: https://systemd.io/UIDS-GIDS/. */
export const Id = z.int("must be a whole number").min(1, "must be 1 … 60000").max(60_000, "must be 1 … 60000");

/** Absolute and normal: no `.`, `..`, double or trailing slash, nothing a line of a config file would trip over. */
export const AbsolutePath = word(
  /^\/$|^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+:~-]+)+$/,
  "must be an absolute path without .., spaces or a slash at the end",
).max(1000);
/** Relative to the recipe, and not above it. */
export const RelativePath = word(
  // eslint-disable-next-line no-control-regex -- that is what is refused
  /^(?!\.\.(?:\/|$))[^/\0-\x1f\x7f]+(?:\/(?!\.\.(?:\/|$))[^/\0-\x1f\x7f]+)*\/?$/,
  "must be a path relative to the recipe, without ..",
).max(1000);

/** Of the build host: relative to the recipe, or absolute. */
// eslint-disable-next-line no-control-regex -- that is what is refused
export const HostPath = word(/^[^\0-\x1f\x7f]+$/, "must be the path of a file or folder").max(1000);
/** Source: OCI Distribution Specification 1.1, "Pulling manifests". */
export const ImageTag = word(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, "must be a tag, such as latest or 1.4");
export const StageName = word(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, "must be the name or number of a stage");
export const BuildArgName = word(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be the name of an ARG");
// eslint-disable-next-line no-control-regex -- that is what is refused
export const BuildArgValue = word(/^[^\0-\x08\x0a-\x1f\x7f]*$/, "must be one line of text").max(4000);

export const Mode = word(/^0?[0-7]{3,4}$/, 'must be octal and in quotes, such as "0644"');
export const Owner = word(
  /^(?:[a-z_][a-z0-9_-]{0,31}|\d{1,5})(?::(?:[a-z_][a-z0-9_-]{0,31}|\d{1,5}))?$/,
  "must be user or user:group, by name or by number",
);

/** crypt(5): yescrypt, SHA-512, SHA-256, bcrypt; `!` and `*` match no password. */
export const PasswordHash = word(
  /^(?:[!*]|\$(?:y|gy|7|6|5|2[aby])\$[./0-9A-Za-z$=,]{8,200})$/,
  "must be a crypt hash as `mkpasswd` prints it, never the password itself",
);
export const SshPublicKey = word(
  /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{32,}={0,3}(?: [^\n\r]{0,200})?$/,
  "must be one line of an OpenSSH public key file, such as ~/.ssh/id_ed25519.pub",
);

/** A size with a binary unit; the recipe's value is in bytes. */
export const Size = z.string().transform((text, context) => {
  try {
    return parseSize(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: "must be a whole number and a unit: 512MiB, 4GiB" });
    if (!(error instanceof AppError)) throw error;
    return z.NEVER;
  }
});

/** A time with its unit; the recipe's value is in seconds. */
export const Duration = ({ min, max }: { readonly min: Seconds; readonly max: Seconds }) =>
  z.string().transform((text, context) => {
    const seconds = parseDuration(text);
    if (seconds !== undefined && seconds >= min && seconds <= max) return seconds;
    const range = `${formatDuration(min)} … ${formatDuration(max)}`;
    const message = seconds === undefined ? "must be a whole number and a unit: 30s, 5min, 1h" : `must be ${range}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** Only characters that a URL can have (RFC 3986), so that it reads the same in every line of a log. */
export const HttpUrl = z
  .url({ protocol: /^https?$/, error: "must be an http or https URL", abort: true })
  .regex(/^https?:\/\/[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]{1,2000}$/, "must be an http or https URL")
  .superRefine((url, context) => {
    // Everybody who can read the image could read them.
    if (/^[^/]*\/\/[^/?#]*@/.test(url)) context.addIssue({ code: "custom", message: "must not hold a user name or password" });
  });

/** An IPv6 address is in brackets, in the recipe only. */
export const TcpAddress = z.string().transform((text, context) => {
  const [, v6, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,15})?)\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  context.addIssue({ code: "custom", message: "must be host:port, such as 127.0.0.1:22 or [::1]:22" });
  return z.NEVER;
});

/** A program and its arguments, as execve(2) takes them. */
export const Command = z
  // eslint-disable-next-line no-control-regex -- that is what is refused
  .tuple([AbsolutePath], word(/^[^\0]{0,4000}$/, "must be one argument of at most 4000 characters without NUL"))
  .refine((argv) => argv.length <= 100, "must be at most 100 words");
export const CheckName = word(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be letters, digits, dots, dashes and _, at most 63");

/** Keys of the kernel command line that petrify sets, and why nobody else may. */
const OWN_KEYS: Readonly<Record<string, string>> = {
  root: "the root is found by its hash",
  rootfstype: "the root is found by its hash",
  rootflags: "the root is found by its hash",
  roothash: "the root is found by its hash",
  ro: "the root is always read-only",
  rw: "the root is always read-only",
  init: "the image's own init is started",
  rdinit: "the image's own initrd is started",
  initrd: "the image's own initrd is started",
  panic: "a panic has to reboot, or nothing would fall back",
  "--": "petrify's own words come after the recipe's",
};

/** One word of the kernel command line; it also has to survive GRUB's quoting. */
export const CmdlineWord = word(
  /^[A-Za-z0-9_@!%*+,./:=~()[\]#^?-]{1,400}$/,
  "must be one word without spaces, quotes, $ or backslash",
).superRefine((text, context) => {
  const key = text.split("=")[0]!;
  const reason = key.startsWith("petrify.") ? "petrify.* is set by petrify" : OWN_KEYS[key];
  if (reason !== undefined) context.addIssue({ code: "custom", message: `cannot be set: ${reason}` });
});
