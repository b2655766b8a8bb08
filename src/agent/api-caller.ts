/** Who calls a machine's API, as its own program tells the agent: a header of the request. docs/formats/api.md */
import { asciiJson } from "../layout/ascii-json.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import { isIdentityName, ROLES } from "../pki/identity.ts";

/** What the API's program knows of a caller. */
export type ApiCaller = Required<Omit<AuditCaller, "via">>;

/** One line of ASCII. */
export const encodeCaller = ({ name, role, serial, address }: ApiCaller): string => asciiJson({ name, role, serial, address });

/** @param text absent where nobody has said who calls @returns somebody without a name unless every word is as it should be */
export function parseCaller(text: string | undefined): AuditCaller {
  try {
    const { name, role, serial, address } = JSON.parse(text ?? "") as Readonly<Record<string, unknown>>;
    const known = ROLES.find((one) => one === role);
    if (known && isName(name) && isShort(serial) && isShort(address)) return { name, via: "api", role: known, serial, address };
  } catch {
    // Nobody has said it in these words.
  }
  return { name: "somebody", via: "api" };
}

const isName = (value: unknown): value is string => typeof value === "string" && isIdentityName(value);
/** Digits of a number, and an address with the name of an interface. */
const isShort = (value: unknown): value is string => typeof value === "string" && /^[\w.:%-]{0,64}$/.test(value);
