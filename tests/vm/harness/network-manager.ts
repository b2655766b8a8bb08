/** A program for a guest's Node that stands for NetworkManager on the system's bus: it says that the line's bytes cost money. Source: D-Bus Specification, "Message Protocol" */

const NAME = "org.freedesktop.NetworkManager";
const UNIT = "petrify-test-metered.service";

/** Whoever owns a name of the system's bus is in its policy. Source: dbus-daemon(1), "CONFIGURATION FILE" */
const POLICY = `<busconfig><policy user="root"><allow own="${NAME}"/><allow send_destination="${NAME}"/></policy></busconfig>`;

function program(name: string): void {
  interface Writer {
    readonly out: number[];
    readonly align: (to: number) => void;
    readonly number: (value: number) => void;
    readonly text: (value: string) => void;
    readonly signature: (value: string) => void;
  }
  const writer = (): Writer => {
    const out: number[] = [];
    const align = (to: number): void => {
      while (out.length % to !== 0) out.push(0);
    };
    const number = (value: number): void => {
      align(4);
      out.push(...new Uint8Array(Uint32Array.of(value).buffer));
    };
    return {
      ...{ out, align, number },
      text: (value) => {
        number(value.length);
        out.push(...Buffer.from(value), 0);
      },
      signature: (value) => void out.push(value.length, ...Buffer.from(value), 0),
    };
  };
  let serial = 0;
  type Field = readonly [code: number, type: "o" | "s" | "u" | "g", value: string | number];
  const message = (type: number, fields: readonly Field[], body: Writer): Buffer => {
    const head = writer();
    for (const [code, kind, value] of fields) {
      head.align(8);
      head.out.push(code);
      head.signature(kind);
      if (kind === "u") head.number(value as number);
      else if (kind === "g") head.signature(value as string);
      else head.text(value as string);
    }
    const whole = writer();
    whole.out.push(0x6c, type, 0, 1);
    serial += 1;
    for (const value of [body.out.length, serial, head.out.length]) whole.number(value);
    whole.out.push(...head.out);
    whole.align(8);
    return Buffer.from([...whole.out, ...body.out]);
  };
  const bus = "org.freedesktop.DBus";
  const call = (member: string, body = writer(), signature?: string): Buffer =>
    message(
      1,
      [
        ...([[1, "o", "/org/freedesktop/DBus"] as const, [2, "s", bus], [3, "s", member], [6, "s", bus]] as const),
        ...(signature === undefined ? [] : [[8, "g", signature] as const]),
      ],
      body,
    );
  const net = process.getBuiltinModule("node:net");
  const socket = net.connect("/run/dbus/system_bus_socket");
  socket.write(`\0AUTH EXTERNAL ${Buffer.from("0").toString("hex")}\r\n`);
  let isIn = false;
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    if (!isIn) {
      if (!rest.includes("\r\n")) return;
      isIn = true;
      rest = rest.subarray(rest.indexOf("\r\n") + 2);
      const wanted = writer();
      wanted.text(name);
      wanted.number(4);
      socket.write(Buffer.concat([Buffer.from("BEGIN\r\n"), call("Hello"), call("RequestName", wanted, "su")]));
    }
    while (rest.length >= 16) {
      const fieldsEnd = 16 + rest.readUInt32LE(12);
      const end = Math.ceil(fieldsEnd / 8) * 8 + rest.readUInt32LE(4);
      if (rest.length < end) return;
      const one = rest.subarray(0, end);
      rest = rest.subarray(end);
      if (one[1] !== 1) continue;
      // Its sender, who gets the answer: the bus writes it as the field 7, `s`.
      const at = one.indexOf(Buffer.from([7, 1, 0x73, 0]));
      const sender = one.toString("utf8", at + 8, at + 8 + one.readUInt32LE(at + 4));
      const answer = writer();
      answer.signature("u");
      answer.number(1);
      socket.write(
        message(
          2,
          [
            [5, "u", one.readUInt32LE(8)],
            [6, "s", sender],
            [8, "g", "v"],
          ],
          answer,
        ),
      );
    }
  });
}

const encoded = (text: string): string => Buffer.from(text).toString("base64");

/** Scripts for a guest's shell. */
export const METERED = {
  begin: [
    `echo ${encoded(POLICY)} | base64 -d >/etc/dbus-1/system.d/petrify-test.conf`,
    "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig",
    `echo ${encoded(`(${program.toString()})("${NAME}")`)} | base64 -d >/run/petrify-test-metered.cjs`,
    `systemd-run --quiet --unit=${UNIT} /usr/lib/petrify/runtime/bin/node /run/petrify-test-metered.cjs`,
    `until busctl get-property ${NAME} /org/freedesktop/NetworkManager ${NAME} Metered; do sleep 1; done`,
  ].join(" && "),
  end: `systemctl stop ${UNIT}`,
} as const;
