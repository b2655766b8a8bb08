import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { REDACTED, redact, redactJson } from "./redact.ts";

const PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nSECRETSECRET\n-----END OPENSSH PRIVATE KEY-----";

suite("what is handed on", () => {
  test("has no secret in any of the forms that they come in", () => {
    const texts = [
      `before ${PEM} after`,
      `12:00 app: ${PEM.replaceAll("\n", "\n12:00 app: ")}\n12:01 next`,
      PEM.slice(0, 60).replace("b3Bl", "SECRET"),
      "root:$6$rounds=5000$SECRETSALT$SECREThash./:19000:0",
      "hash $y$j9T$SECRETSALT$SECREThash",
      "$2b$12$SECRETSECRETSECRETSECRET",
      "$argon2id$v=19$m=65536$SECRET$SECRET",
      "pull https://user:SECRET@registry.example/x",
      "clone https://SECRETTOKEN@git.example/x.git",
      "postgres://app:SEC:RET@db/app",
      "Authorization: Bearer SECRET.SECRET",
      "curl -H 'authorization: Basic SECRETSECRET='",
      "Proxy-Authorization=SECRET",
      "eyJhbGciOiJI.eyJSECRETSECRET.SECRET",
      "AKIASECRETSECRET1234 ghp_SECRETSECRETSECRET12 glpat-SECRETSECRETSECRET xoxb-SECRETSECRETSECRET",
      "AGE-SECRET-KEY-1SECRETSECRETSECRETSECRET",
      "K10aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa::server:SECRET",
      "password=SECRET",
      "db_password: 'SECRET with blanks'",
      'PASSWORD="SECRET \\" more SECRET"',
      '{"apiKey":"SECRET","client_secret" : "SECRET"}',
      "wpa_passphrase=SECRET psk=SECRET sae_password=SECRET",
      "PrivateKey = SECRET+base64/=",
      "PresharedKey=SECRET",
      "GET /x?a=1&token=SECRET&X-Amz-Signature=SECRET&sig=SECRET",
      "mysqld --password SECRET --api-key=SECRET -token SECRET",
      "Set-Cookie: SECRET",
      "pass: SECRET",
      '{\\"password\\":\\"SECRET more\\"}',
      "q=password%3DSECRET",
      "$argon2id$v=19$m=65536,t=3,p=4$SECRETSALT$SECREThash",
      "systemd.set_credential=passwd.hashed-password.root:SECRET",
    ];
    for (const text of texts) {
      assert.doesNotMatch(redact(text), /SECRET(?!-KEY)/, text);
      assert.ok(redact(text).includes(REDACTED), text);
    }
    assert.match(redact(texts[0]!), /^before .* after$/);
    assert.match(redact(texts[1]!), /next$/);
  });

  test("is otherwise what it was", () => {
    for (const text of [
      "slot b is healthy",
      "sshd[712]: Accepted publickey for root from 192.0.2.1 port 4711 ssh2: ED25519 SHA256:abcDEF",
      "Failed password for invalid user admin from 192.0.2.9",
      "https://registry.example/v2/edge/manifests/sha256:595e0e9b39245c57",
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI jo@example",
      "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
      "eth0: 192.0.2.7/24 fe80::1 52:54:00:12:34:56",
      "root=/dev/dm-0 quiet console=ttyS0 panic=5",
    ])
      assert.equal(redact(text), text);
  });

  test("has no value of a name that is a secret's, and no argument behind such an option", () => {
    assert.deepEqual(
      redactJson({
        password: "SECRET",
        n: 7,
        list: ["--token", "SECRET", "x", "--pass=SECRET"],
        deep: [{ psk: "SECRET", ok: true }],
      }),
      {
        ...{ password: REDACTED, n: 7, list: ["--token", REDACTED, "x", `--pass=${REDACTED}`] },
        deep: [{ psk: REDACTED, ok: true }],
      },
    );
    assert.deepEqual(redactJson(["a", ...PEM.split("\n"), "b"]), ["a", REDACTED, REDACTED, REDACTED, REDACTED, "b"]);
    assert.deepEqual(redactJson({ argv: ["a", "--password", "--verbose"], tokens: [], secret: "" }), {
      ...{ argv: ["a", "--password", "--verbose"], tokens: [], secret: "" },
    });
  });

  test("takes no longer than its length: what strangers write does not hold anybody up", () => {
    for (const piece of ["password", "$6$", "https://", "-----BEGIN PRIVATE KEY-----", "a.b-", "eyJaaaaaaaa.", "--token ", '"']) {
      const began = performance.now();
      redact(piece.repeat(200_000 / piece.length));
      assert.ok(performance.now() - began < 5000, `${piece}: ${performance.now() - began} ms`);
    }
  });
});
