/** @portable The values a machine config is made of, besides those that recipes have too. */
import { z } from "zod";
import { bytesOfBase64 } from "../../layout/base64.ts";

/** A pattern without its own text in the error: people read the sentence. */
const word = (pattern: RegExp, expected: string): z.ZodString => z.string().regex(pattern, expected);

/** Hashes, contents, tokens: never in a message, a log, or `render` without `--show-secrets`. */
export const secret = { secret: true } as const;

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
/** RFC 1123; hostname(7) */
export const HostName = word(new RegExp(`^${LABEL}(?:\\.${LABEL})*$`), "must be a host name: letters, digits, dashes").max(64);
/** Full, with at least one dot. */
export const DomainName = word(new RegExp(`^${LABEL}(?:\\.${LABEL})+$`), "must be a full domain name, such as a.example").max(
  253,
);
/** A name or an address; of IPv6 without brackets. */
export const Host = word(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$|^[0-9A-Fa-f:.]{2,45}$/, "must be a host name or an address");

/** Ids that systemd and distributions keep for themselves are not handed out: https://systemd.io/UIDS-GIDS/. */
export const Id = z
  .union([z.int(), word(/^\d{1,9}$/, "must be a number").transform(Number)])
  .refine((id) => id >= 1 && id <= 60_000, "must be 1 … 60000");

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT: options, type, key, comment. */
export const AuthorizedKey = z
  .string()
  .transform((line) => line.trim())
  .pipe(
    word(
      /^(?:[a-z][A-Za-z0-9-]*(?:="[^"\n\r]*")?(?:,[a-z][A-Za-z0-9-]*(?:="[^"\n\r]*")?)* )?(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{32,}={0,3}(?: [^\n\r]{0,200})?$/,
      "must be one line of an OpenSSH public key file, such as ~/.ssh/id_ed25519.pub",
    ),
  );

/** crypt(5): yescrypt, SHA-512, SHA-256, bcrypt; `!` and `*` match no password. */
export const PasswordHash = word(
  /^(?:[!*]|!?\$(?:y|gy|7|6|5|2[aby])\$[./0-9A-Za-z$=,]{8,200})$/,
  "must be a crypt hash as `mkpasswd` prints it, never the password itself",
).meta(secret);

/** passwd(5): what would end a field or a line cannot be in one. */
// eslint-disable-next-line no-control-regex -- that is what is refused
export const Gecos = word(/^[^:\0-\x1f\x7f]{0,200}$/, "must be one line without colons");
/** Days since 1970, as shadow(5) has it. */
export const Day = z.string().transform((text, context) => {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(text)) return time / 86_400_000;
  context.addIssue({ code: "custom", message: 'must be a day, such as "2032-09-01"' });
  return z.NEVER;
});

// eslint-disable-next-line no-control-regex -- that is what is refused
export const Line = word(/^[^\0-\x08\x0a-\x1f\x7f]*$/, "must be one line of text").max(8000);
/** Without what no file of text has. */
export const Text = word(/^[^\0]*$/, "must not hold a NUL");
export const VariableName = word(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be the name of a variable: letters, digits and _");
/** Text, or a number or truth value that is meant as its text. */
export const PlainValue = z.union([Line, z.number().transform(String), z.boolean().transform(String)]);

/** Of a variable: many a program is given its tokens so. */
export const SecretValue = PlainValue.meta(secret);

/** sysctl(8); dots or slashes between the parts. */
export const SysctlName = word(/^[a-z0-9][A-Za-z0-9_.*/@:-]{1,200}$/, "must be the name of a kernel parameter");
export const ModuleName = word(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "must be the name of a kernel module");
/** systemd.unit(5), of OpenRC with or without `.service`. */
export const DropInName = word(/^[A-Za-z0-9:_@][A-Za-z0-9:_.@-]{0,200}\.conf$/, "must be a file name that ends with .conf");

export const FileMode = word(/^0?[0-7]{3,4}$/, 'must be octal and in quotes, such as "0644"').transform((text) =>
  Number.parseInt(text, 8),
);
/** Names as useradd(8) takes them, or numbers. */
export const Owner = word(
  /^(?:[a-z_][a-z0-9_-]{0,31}|\d{1,5})(?::(?:[a-z_][a-z0-9_-]{0,31}|\d{1,5}))?$/,
  "must be user or user:group, by name or by number",
).transform((owner) => (owner.includes(":") ? owner : `${owner}:root`));

/** RFC 4648, perhaps on several lines. */
export const isBase64 = (text: string): boolean => bytesOfBase64(text.replaceAll(/\s+/g, "")) !== undefined;
export const Sha256 = word(/^(?:sha256:)?[0-9a-f]{64}$/, "must be a SHA-256 in hexadecimal digits").transform((text) =>
  text.replace("sha256:", ""),
);
/** Header fields of RFC 9110; their values may be tokens. */
export const Headers = z.record(word(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "must be the name of a header"), Line.meta(secret));
/** Unlike those of recipes, which everybody can read who has the image, these may hold a password. */
export const Url = word(/^https?:\/\/[^\s/]\S{0,2000}$/, "must be an http or https URL");

/** A line for `/bin/sh -c`, or a program and its arguments. */
export const CommandLine = z
  .union([
    Text.min(1, "must not be empty").max(100_000),
    z
      .array(z.union([Text.max(100_000), z.number().transform(String)]))
      .min(1, "must name a program")
      .max(1000),
  ])
  .refine(
    (command) => !/^\s*cloud-init(?:-per)?(?:\s|$)/.test(typeof command === "string" ? command : command[0]!),
    "is a program of cloud-init's: what is run once stands under runcmd",
  );

/** A list, or its items in one text with commas between them. */
export const commaList = <T extends z.ZodType<unknown, string>>(item: T) =>
  z.union([
    z.array(item).max(1000),
    z
      .string()
      .transform((text) =>
        text
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== ""),
      )
      .pipe(z.array(item)),
  ]);
