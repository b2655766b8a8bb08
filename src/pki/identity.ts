/** @portable Who a certificate says that somebody is, and what it lets them do. docs/concepts/pki.md */

/** Each may do what those before it may. */
export const ROLES = ["reader", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Whether somebody in one role may do what another one is needed for. */
export const includesRole = (has: Role, needed: Role): boolean => ROLES.indexOf(has) >= ROLES.indexOf(needed);

/** Somebody with a certificate: a person, or a program. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
  /** Certificates of an epoch before the one that a machine accepts are revoked. */
  readonly epoch: number;
}

/** The field of a subject (organisation) that holds the role: `petrify:admin`; of a machine `petrify:node`, which is no role. */
const ORGANISATION = "petrify:";
export const NODE_ORGANISATION = `${ORGANISATION}node`;
/** Of who signs for an authority over the network: no role either, and no machine. */
export const SIGNER_ORGANISATION = `${ORGANISATION}signer`;
/** The field (organisational unit) that holds the epoch: `petrify:epoch:3`. */
const UNIT = "petrify:epoch:";
/** As far as a number goes that no arithmetic spoils. */
const EPOCH = /^(?:0|[1-9]\d{0,14})$/;
/** It goes into logs and tables, and 64 is the most that a common name holds. Source: RFC 5280, appendix A.1, ub-common-name */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,63}$/u;

export const isIdentityName = (name: string): boolean => NAME.test(name) && !name.endsWith(" ");

/** A subject in a certificate's own words: common name, organisation, organisational unit. */
export interface Subject {
  readonly CN: string;
  readonly O: string;
  readonly OU?: string;
}
export const subjectOf = ({ name, role, epoch }: Identity): Subject => ({
  ...{ CN: name, O: `${ORGANISATION}${role}`, OU: `${UNIT}${epoch}` },
});

/**
 * @param fields of a subject, a list for each that is there more than once
 * @returns nothing unless each of the three is there exactly once, and in this form
 */
export function identityOf(fields: Readonly<Record<string, unknown>>): Identity | undefined {
  const { CN: name, O: organisation, OU: unit } = fields;
  if (typeof name !== "string" || typeof organisation !== "string" || typeof unit !== "string") return undefined;
  if (!isIdentityName(name) || !unit.startsWith(UNIT) || !organisation.startsWith(ORGANISATION)) return undefined;
  const role = ROLES.find((one) => organisation === ORGANISATION + one);
  const epoch = parseEpoch(unit.slice(UNIT.length));
  return role && epoch !== undefined ? { name, role, epoch } : undefined;
}

/** The number in a file or a field; nothing for anything else. */
export const parseEpoch = (text: string): number | undefined => (EPOCH.test(text) ? Number(text) : undefined);
