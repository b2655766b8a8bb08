/**
 * @portable Secrets taken out of words of strangers, before they are handed on: logs, arguments of programs, files. Pure. docs/concepts/support.md
 *
 * What looks like a secret is one: too much is taken out rather than too little. Nobody can know every secret; these are the forms that they come in.
 */

/** In place of what was taken out. */
export const REDACTED = "[removed]";

/** Part of a name by which something secret goes: `db_password`, `--api-key`, `wpa_passphrase`. */
const WORDS = [
  ...["passw(?:or)?d", "passphrase", "passwd", "pwd", "psk", "secret", "token", "credential", "cookie", "authori[sz]ation"],
  ...["(?:api|access|private|encryption|signing|preshared|shared|account|master|pre-?shared)[-_. ]?key", "signature", "pincode"],
  ...["sae[-_]?key", "join[-_]?code", "recovery[-_]?code"],
].join("|");
const SHORT = "pass|pw|pin|sig|wep_key\\d?";
/** From the word on; what stands before it does not matter. Every part has an end: strangers write these texts, and nobody waits for a regular expression. */
const NAME = `(?:(?:${WORDS})[\\w.-]{0,64}|\\b(?:${SHORT}))`;
/** Also in JSON that is a text in JSON; one whose quote does not end was cut off. */
const VALUE = `\\\\{1,4}"[^"\\\\\\n]*|"(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|["'][^\\n"']*|[^\\s"',;&<>)\\]}]+`;

const LONGEST_NAME = 128;
const SECRET_NAME = new RegExp(`^-{0,2}(?:[\\w.-]*(?:${WORDS})[\\w.-]*|${SHORT})$`, "i");
const isSecretName = (name: string): boolean => name.length <= LONGEST_NAME && SECRET_NAME.test(name);

interface Form {
  readonly form: RegExp;
  /** Default: all of it goes. */
  readonly by?: string;
}
const FORMS: readonly Form[] = [
  // A key goes with its lines, whatever a log has written in front of each; one that was cut off goes to the end.
  {
    form: /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----|$)/g,
  },
  // Source: crypt(5)
  { form: /(?<![\w$])\$(?:[1-9]|2[abxy]?|y|gy|7|md5|sha1|argon2\w{0,2}|scrypt|pbkdf2[\w-]{0,16})\$[^\s:"';\\]{8,}/g },
  // Of URLs: whoever stands before the machine's name.
  { form: /([a-z][a-z0-9+.-]{0,32}:\/\/)[^\s/"'<>@]{1,512}@/gi, by: `$1${REDACTED}@` },
  { form: /\b(Bearer|Basic|Digest|Negotiate)[ \t]+[\w.~+/=-]{8,}/gi, by: `$1 ${REDACTED}` },
  // Sources: RFC 7519; documentation of AWS, GitHub, GitLab, Slack, Google, HashiCorp, npm, Docker, age, Kubernetes, k3s
  { form: /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g },
  { form: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { form: /(?<![\w-])(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AIza|hvs\.|npm_|dckr_pat_|sk-)[\w-]{16,}/g },
  { form: /\bAGE-SECRET-KEY-1[0-9A-Z]{20,}/g },
  { form: /\bK10[0-9a-f]{32,}::\S+/g },
  { form: /\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g },
  // `password: x`, `"psk"="x"`, `?token=x`
  {
    form: new RegExp(`(${NAME}(?:\\\\{0,4}["'])?[ \\t]{0,32}(?:[=:]{1,2}|%3[AD])[ \\t]{0,32})(?:${VALUE})`, "gi"),
    by: `$1${REDACTED}`,
  },
  // `--password x`, `passphrase x`
  { form: new RegExp(`((?:^|[\\s"'])-{1,2}[\\w.-]{0,64}?${NAME}[ \\t]{1,32})(?:${VALUE})`, "gi"), by: `$1${REDACTED}` },
];

/** The same text without what looks like a secret. */
export const redact = (text: string): string => FORMS.reduce((rest, { form, by = REDACTED }) => rest.replaceAll(form, by), text);

/** The same document without: also what goes by a name that is a secret's, and what follows such an option among arguments. */
export function redactJson(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return redactList(value as readonly unknown[]);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]: [string, unknown]) => [
      redact(name),
      isSecretName(name) && typeof one === "string" && one !== "" ? REDACTED : redactJson(one),
    ]),
  );
}

/** Lines of a key may be a text each. */
function redactList(list: readonly unknown[]): unknown[] {
  let isInKey = false;
  return list.map((one, index) => {
    const wasInKey = isInKey;
    if (typeof one === "string") {
      const [begin, end] = [one.lastIndexOf("-----BEGIN "), one.lastIndexOf("-----END ")];
      if (begin > end) isInKey = one.includes(" PRIVATE KEY", begin);
      else if (end >= 0) isInKey = false;
      if (wasInKey || (isOption(list[index - 1]) && isWord(one))) return REDACTED;
    }
    return redactJson(one);
  });
}

const isWord = (value: unknown): boolean => typeof value === "string" && !value.startsWith("-");
const isOption = (value: unknown): boolean => typeof value === "string" && value.startsWith("-") && isSecretName(value);
