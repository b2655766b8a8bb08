/** @portable Certificates, PEM, of the authorities that a machine's config names: petrify's programs trust them besides the public ones. docs/concepts/config.md */
export const AUTHORITIES_PATH = "/etc/petrify/ca.pem";
