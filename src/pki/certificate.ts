/**
 * @portable Certificates that petrify makes: of authorities, people and machines; all keys are ECDSA on P-256. docs/concepts/pki.md
 *
 * Source: RFC 5280. Signing, digests, randomness and time are passed in.
 */
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from "@peculiar/asn1-x509";
import { hex, type Sha256 } from "../core/digest.ts";
import type { PublicKey, SigningKey } from "../core/signature.ts";
import { NODE_ORGANISATION, SIGNER_ORGANISATION, subjectOf, type Identity, type Subject } from "./identity.ts";

/** What every certificate takes from its maker's surroundings. */
export interface Making {
  readonly sha256: Pick<Sha256, "digest">;
  /** That many bytes from the system. */
  readonly random: (bytes: number) => Uint8Array;
  /** Seconds since 1970. */
  readonly now: number;
}
/** Who signs others' certificates. */
export interface Authority {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly key: SigningKey;
}
export interface MachineNames {
  readonly hostname: string;
  /** DNS names and IP addresses by which it is reached. */
  readonly addresses: readonly string[];
}

const HOUR = 3600;
const DAY = 24 * HOUR;
/** Clocks differ a little. */
const BACKDATED = 5 * 60;
const AUTHORITY_DAYS = 3650;
const NODE_DAYS = 365;
export const PERSON_HOURS = 12;
/** "To indicate that a certificate has no well-defined expiration date". Source: RFC 5280, section 4.1.2.5 */
const FOREVER = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;

/** ecdsa-with-SHA256; it has no parameters. Source: RFC 5758, section 3.2 */
const SIGNATURE = "1.2.840.10045.4.3.2";
const OIDS = { CN: "2.5.4.3", O: "2.5.4.10", OU: "2.5.4.11" } as const;

/** A new authority. Its name has digits of its key, so that two of them are told apart while both are accepted. @returns DER */
export function authorityCertificate(key: SigningKey, making: Making): Uint8Array {
  const keyId = keyIdOf(key.publicKey, making);
  const name = nameOf({ CN: `petrify CA ${hex(keyId).slice(0, 8)}`, O: "petrify" });
  return signed(
    {
      ...{ issuer: name, subject: name, publicKey: key.publicKey, issuerKeyId: keyId },
      // A machine whose clock is not set has to know it, too.
      ...{ from: 0, until: making.now + AUTHORITY_DAYS * DAY },
      extensions: [
        extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), "critical"),
        extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), "critical"),
      ],
    },
    key,
    making,
  );
}

/** Of a person or a program that calls machines. @param hours that it lasts @returns DER */
export function clientCertificate(
  authority: Authority,
  { publicKey, identity, hours }: { readonly publicKey: PublicKey; readonly identity: Identity; readonly hours: number },
  making: Making,
): Uint8Array {
  return signed(
    {
      ...{ ...issuedBy(authority), subject: nameOf(subjectOf(identity)), publicKey },
      ...{ from: making.now - BACKDATED, until: making.now + hours * HOUR },
      extensions: endEntity(id_kp_clientAuth),
    },
    authority.key,
    making,
  );
}

/** Of a machine, for a key that never leaves it. @returns DER */
export function nodeCertificate(
  authority: Authority,
  { publicKey, names }: { readonly publicKey: PublicKey; readonly names: MachineNames },
  making: Making,
): Uint8Array {
  return signed(
    {
      ...{ ...issuedBy(authority), subject: nameOf({ CN: names.hostname, O: NODE_ORGANISATION }), publicKey },
      ...{ from: making.now - BACKDATED, until: making.now + NODE_DAYS * DAY },
      extensions: [...endEntity(id_kp_serverAuth), alternativeNames(names)],
    },
    authority.key,
    making,
  );
}

/**
 * Of the program that signs for an authority over the network. It may do so for as long as the authority's own certificate lasts, and a machine whose clock
 * is not set has to know it, too. @returns DER
 */
export function signerCertificate(
  authority: Authority,
  { publicKey, names }: { readonly publicKey: PublicKey; readonly names: MachineNames },
  making: Making,
): Uint8Array {
  return signed(
    {
      ...{ ...issuedBy(authority), subject: nameOf({ CN: names.hostname, O: SIGNER_ORGANISATION }), publicKey },
      ...{ from: 0, until: making.now + AUTHORITY_DAYS * DAY },
      extensions: [...endEntity(id_kp_serverAuth), alternativeNames(names)],
    },
    authority.key,
    making,
  );
}

/**
 * What a machine shows that no authority has signed yet: who knows it knows its key. The time does not count then, and the machine's clock may not be
 * set. @returns DER
 */
export function ownNodeCertificate(key: SigningKey, names: MachineNames, making: Omit<Making, "now">): Uint8Array {
  const name = nameOf({ CN: names.hostname, O: NODE_ORGANISATION });
  return signed(
    {
      ...{ issuer: name, subject: name, publicKey: key.publicKey, issuerKeyId: keyIdOf(key.publicKey, making) },
      ...{ from: 0, until: FOREVER },
      extensions: [...endEntity(id_kp_serverAuth), alternativeNames(names)],
    },
    key,
    making,
  );
}

interface Contents {
  readonly issuer: Name;
  readonly subject: Name;
  readonly publicKey: PublicKey;
  readonly issuerKeyId: Uint8Array;
  /** Seconds since 1970. */
  readonly from: number;
  readonly until: number;
  readonly extensions: readonly Extension[];
}

function signed(contents: Contents, key: SigningKey, making: Omit<Making, "now">): Uint8Array {
  const { issuer, subject, publicKey, issuerKeyId, from, until, extensions } = contents;
  const algorithm = new AlgorithmIdentifier({ algorithm: SIGNATURE });
  const tbsCertificate = new TBSCertificate({
    ...{ version: Version.v3, serialNumber: serialNumber(making.random), signature: algorithm, issuer, subject },
    validity: new Validity({ notBefore: new Date(from * 1000), notAfter: new Date(until * 1000) }),
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...extensions,
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(publicKey, making))),
      extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(issuerKeyId) })),
    ]),
  });
  const signature = key.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate)));
  return new Uint8Array(
    AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue: copyOf(signature) })),
  );
}

/** 127 random bits: positive, and never the same. Source: RFC 5280, section 4.1.2.2 */
function serialNumber(random: Making["random"]): ArrayBuffer {
  const bytes = random(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40; // no zeros in front, which DER forbids
  return copyOf(bytes);
}

/** Source: RFC 7093, section 2, method 1 */
function keyIdOf(publicKey: PublicKey, { sha256 }: Pick<Making, "sha256">): Uint8Array {
  const { subjectPublicKey } = AsnConvert.parse(publicKey, SubjectPublicKeyInfo);
  return sha256.digest(new Uint8Array(subjectPublicKey)).slice(0, 20);
}

function issuedBy({ certificate }: Authority): Pick<Contents, "issuer" | "issuerKeyId"> {
  const { subject, extensions = [] } = AsnConvert.parse(certificate, Certificate).tbsCertificate;
  const own = extensions.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier);
  if (!own) throw new Error("the authority's certificate has no key identifier");
  return { issuer: subject, issuerKeyId: new Uint8Array(AsnConvert.parse(own.extnValue.buffer, SubjectKeyIdentifier).buffer) };
}

const endEntity = (usage: string): Extension[] => [
  extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), "critical"),
  extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), "critical"),
  extension(id_ce_extKeyUsage, new ExtendedKeyUsage([usage])),
];

function alternativeNames({ hostname, addresses }: MachineNames): Extension {
  const names = [...new Set([hostname, ...addresses])].map((name) =>
    isIp(name) ? new GeneralName({ iPAddress: name }) : new GeneralName({ dNSName: name }),
  );
  return extension(id_ce_subjectAltName, new SubjectAlternativeName(names));
}

const isIp = (name: string): boolean => name.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(name);

const extension = (extnID: string, value: object, critical?: "critical"): Extension =>
  new Extension({ extnID, critical: critical !== undefined, extnValue: new OctetString(AsnConvert.serialize(value)) });

function nameOf({ CN, O, OU }: Subject): Name {
  const fields = Object.entries({ O, ...(OU === undefined ? {} : { OU }), CN }) as [keyof typeof OIDS, string][];
  return new Name(
    fields.map(
      ([field, utf8String]) =>
        new RelativeDistinguishedName([
          new AttributeTypeAndValue({ type: OIDS[field], value: new AttributeValue({ utf8String }) }),
        ]),
    ),
  );
}

/** Its own buffer, whatever the bytes are a view of. */
const copyOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;
