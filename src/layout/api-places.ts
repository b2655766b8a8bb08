/** @portable Where a machine has what its API needs. docs/formats/api.md */

/** For root alone, on the oem partition: what somebody puts there who sets the machine up. */
export const API_FOLDER = "/oem/petrify/api";
/** In it, and among the credentials of the API's own program: PEM, one or more. Without it nobody owns the machine. */
export const AUTHORITIES_FILE = "ca.pem";
/** The machine's own certificate, of one of the authorities. */
export const CERTIFICATE_FILE = "node.pem";
/** A number: callers' certificates of an epoch before it are revoked. */
export const EPOCH_FILE = "epoch";
/** What the owner has said last of the two above. */
export const TRUST_FILE = "trust";

/** A slow digest of the token that brings the machine a new owner. */
export const RECOVERY_FILE = "recovery";
/** The same digest, of a machine that was given back by its token and has no owner yet: it takes one that knows the token. */
export const GIVEN_BACK_FILE = "/oem/petrify/given-back";

/** Of an image whose machines wait for an owner over the network; what is in it does not matter. */
export const MAINTENANCE_FILE = "/usr/lib/petrify/api-maintenance";
/** Of the kernel's command line: so does this boot. */
export const MAINTENANCE_WORD = "petrify.maintenance";

/** Where the API's own program asks the agent, with the token that is in the file beside it. */
export const API_SOCKET = "/run/petrify/api.sock";
export const API_TOKEN = "/run/petrify/api-token";

/** Where it asks petrify-look, with the same token. */
export const LOOK_SOCKET = "/run/petrify/look.sock";
/** Where the API's own program reaches other machines, with the same token. */
export const FORWARD_SOCKET = "/run/petrify/forward.sock";

/** Where petrify-debug starts containers for it, with the same token; only where the init is systemd. */
export const DEBUG_SOCKET = "/run/petrify/debug.sock";

export const API_PORT = 50_000;
/** Of a program that signs for an authority: `petrify ca serve`. */
export const SIGNER_PORT = 50_001;

/** From the machine config: who signs for the machine's authority, and the token by which it joins. docs/formats/join-tokens.md */
export const AUTHORITY_SETTINGS = "/etc/petrify/authority.json";
/** What keeps the machine's certificate in force, and joins. */
export const AUTHORITY_TIMER = "petrify-authority.timer";
