/** A metadata service like that of Amazon EC2. Source: Amazon EC2, "Instance metadata and user data" */
import type { RequestListener } from "node:http";

export const EC2_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA ops@desk";
export const EC2_VALUES: Readonly<Record<string, string>> = {
  "/latest/meta-data/instance-id": "i-0123456789abcdef0\n",
  "/latest/meta-data/local-hostname": "ip-10-0-0-1.ec2.internal",
  "/latest/meta-data/public-keys/": "0=mine\n1=other\nnonsense\n../x=y\n",
  "/latest/meta-data/public-keys/0/openssh-key": `${EC2_KEY}\n`,
  "/latest/user-data": "#cloud-config\ntimezone: Europe/Berlin\n",
};
const TOKEN = "AQAAtoken==";

/** @param sessions whether they are needed (IMDSv2), or nobody knows of them (IMDSv1) */
export function ec2Service(sessions: "needed" | "unknown", values = EC2_VALUES): RequestListener {
  return ({ method, url = "", headers }, response) => {
    if (method === "PUT") {
      const isBegun =
        sessions === "needed" && url === "/latest/api/token" && Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]) > 0;
      return void response.writeHead(isBegun ? 200 : 405).end(isBegun ? TOKEN : "no");
    }
    const value = values[url];
    const isRefused = sessions === "needed" && headers["x-aws-ec2-metadata-token"] !== TOKEN;
    response.writeHead(isRefused ? 401 : value === undefined ? 404 : 200).end(isRefused ? "" : value);
  };
}
