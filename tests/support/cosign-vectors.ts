/** What cosign wrote, frozen: keys and image signature of 2.5.0, bundles of 3.1.1. The key has the password `secret`, and signs nothing else. */
export const COSIGN = {
  password: "secret",
  privateKey: `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJrekVmTnZ5K205bUtpR2FlaVZvRys3SG5WWnRBUlNk
Q2xpMm45Nm9DNmc4PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJadWJpalcvekxJOGtkbTdrVmFSeWVza3E5YjJoQ2RJRCJ9LCJj
aXBoZXJ0ZXh0IjoiOGxITnZNNjVBOE9jN0RYVnVoOFFCY1RycXZneVVKaHE2Rnd2
QWxwTW91Sm8rbmZkYXA5WDNINlAzOW5jOXFjRUpERjlaV3NaNXZSMkpEVTZqckxp
WFdTRkRsUlJKamVKZGpRdXlTUEd3S2tTeGk4V0lQWUNoeE1hakRnQk5hdVhKWGs1
d0EwQjBEV1JBVVlrMFpoaHd0ckMwOGxxQytCcHgydGdMQzhNTVdPMEpBRmJmVGla
VG1ERjB1dmlXTHZjdkljOTNKQkh2VFo0MlE9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
`,
  publicKey: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV4DD/+Mm2KalzZLd9m7geie74XY3
xxwnys6M7Jc4mtObSz0xL1zFpEHlHXB5vgQCGeuxHaDxGLdkYpvME0Jd1g==
-----END PUBLIC KEY-----
`,
  /** As `openssl pkey -pubin -outform der | sha256sum` prints it. */
  keyId: "38b973a205439e8b48e38902192c56a12f417b97ec60542667994685a91a1d21",
  /** Of the manifest that is signed. */
  digest: "sha256:94344c1ff412f031e3b8858e6ad8ddae1b19acf28539b9fd1de50c34e9416bfd",
  /** The manifest of the image under the tag `sha256-….sig`, and its only layer. */
  signatureImage: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":233,"digest":"sha256:ee0237e84e6e799d8b6dc2dd88079156b4754e425160b2a6e5efdbf6ee9bb633"},"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":235,"digest":"sha256:26cca8ba79484529424f61251756d59675c129de559e884599dd592aba02e00d","annotations":{"dev.cosignproject.cosign/signature":"MEQCIA7aIzsZwdnqD6MrdE7iHxVagXuHjFZCUQaYAdB6YGSaAiBlyeVmylDTrSuduKnYr7uJ6AhW1qacUeRwhbCAckcJQg=="}}]}`,
  payload: `{"critical":{"identity":{"docker-reference":"127.0.0.1:5123/edge"},"image":{"docker-manifest-digest":"sha256:94344c1ff412f031e3b8858e6ad8ddae1b19acf28539b9fd1de50c34e9416bfd"},"type":"cosign container image signature"},"optional":null}`,
  /** The blob of the referrer. */
  bundle: `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"OLlzogVDnotI44kCGSxWoS9Be5fsYFQmZ5lGhakaHSE="}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiOTQzNDRjMWZmNDEyZjAzMWUzYjg4NThlNmFkOGRkYWUxYjE5YWNmMjg1MzliOWZkMWRlNTBjMzRlOTQxNmJmZCJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIiwicHJlZGljYXRlIjp7fX0=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEYCIQC6gSBSOVbyCGIsqx7+oe9nfk+KCRxVA10Dnmmida/cMgIhAMX8Ki/1L4f2kfORPcbKhGStCSmD2tTo93HOOiqN+5n2"}]}}`,
  /** Of the file that holds `hello` and a new line. */
  fileBundle: `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"OLlzogVDnotI44kCGSxWoS9Be5fsYFQmZ5lGhakaHSE="}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="},"signature":"MEQCIGIBUohDaiI8FjeH+VmGETI7nUWYdZE/8oe2ljpzaFOPAiBkI/2EZ2oVQ/sAWIukEEe/k8X6i0i2u665K4l+obXm2w=="}}`,
} as const;
