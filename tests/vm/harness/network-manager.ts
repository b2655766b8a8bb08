/** A program for a guest's Perl that stands for NetworkManager on the system's bus: it says that the line's bytes cost money. Source: D-Bus Specification, "Message Protocol" */

const NAME = "org.freedesktop.NetworkManager";
const UNIT = "petrify-test-metered.service";
const SOCKET = "/run/dbus/system_bus_socket";

/** Whoever owns a name of the system's bus is in its policy. Source: dbus-daemon(1), "CONFIGURATION FILE" */
const POLICY = `<busconfig><policy user="root"><allow own="${NAME}"/><allow send_destination="${NAME}"/></policy></busconfig>`;

/** Of a call it reads the sender (field 7) alone, and answers with a variant: NM_METERED_YES. */
const PROGRAM = String.raw`use strict; use IO::Socket::UNIX;
my $serial = 0;
sub padded { my ($bytes, $to) = @_; return $bytes . "\0" x (-length($bytes) % $to) }
sub text { return pack("V/a* x", $_[0]) }
sub signature { return pack("C/a* x", $_[0]) }
sub message {
  my ($type, $body, @fields) = @_;
  my $head = "";
  for (@fields) {
    my ($code, $kind, $value) = @$_;
    $head = padded($head, 8) . pack("C", $code) . signature($kind);
    $head = $kind eq "g" ? $head . signature($value) : padded($head, 4) . ($kind eq "u" ? pack("V", $value) : text($value));
  }
  return padded(pack("aCCCVVV", "l", $type, 0, 1, length($body), ++$serial, length($head)) . $head, 8) . $body;
}
sub call {
  my ($member, $body, @fields) = @_;
  my $bus = "org.freedesktop.DBus";
  return message(1, $body, [1, "o", "/org/freedesktop/DBus"], [2, "s", $bus], [3, "s", $member], [6, "s", $bus], @fields);
}
my ($path, $name) = @ARGV;
my $socket = IO::Socket::UNIX->new(Peer => $path) or die $!;
$socket->autoflush(1);
print $socket "\0AUTH EXTERNAL " . unpack("H*", $<) . "\r\n";
readline($socket);
print $socket "BEGIN\r\n" . call("Hello", "") . call("RequestName", padded(text($name), 4) . pack("V", 4), [8, "g", "su"]);
while (read($socket, my $start, 16) == 16) {
  my (undef, $type, undef, undef, $length, $asked, $fields) = unpack("aCCCVVV", $start);
  read($socket, my $rest, $fields + (-$fields % 8) + $length);
  next if $type != 1;
  my $sender = unpack("V/a", substr($rest, index($rest, "\7\1s\0") + 4));
  my $metered = padded(signature("u"), 4) . pack("V", 1);
  print $socket message(2, $metered, [5, "u", $asked], [6, "s", $sender], [8, "g", "v"]);
}
`;

const encoded = (text: string): string => Buffer.from(text).toString("base64");

/** Scripts for a guest's shell. */
export const METERED = {
  begin: [
    "mkdir -p /etc/dbus-1/system.d",
    `echo ${encoded(POLICY)} | base64 -d >/etc/dbus-1/system.d/petrify-test.conf`,
    "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig",
    `echo ${encoded(PROGRAM)} | base64 -d >/run/petrify-test-metered.pl`,
    `systemd-run --quiet --unit=${UNIT} perl /run/petrify-test-metered.pl ${SOCKET} ${NAME}`,
    `until busctl get-property ${NAME} /org/freedesktop/NetworkManager ${NAME} Metered; do sleep 1; done`,
  ].join(" && "),
  end: `systemctl stop ${UNIT}`,
} as const;
