/** @portable How urgent an entry of a log is, and whose it is. Source: syslog(3) */

/** By number, the most urgent first; the names are journalctl's. */
export const PRIORITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] as const;
export type LogPriority = (typeof PRIORITIES)[number];

/** By number. */
export const FACILITIES = [
  ...["kernel", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"],
  ...["ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
] as const;
