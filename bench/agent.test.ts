import assert from "node:assert/strict";
import { test } from "node:test";
import { agentFigures } from "./agent.ts";

const CONSOLE = `
Debian GNU/Linux 13 bench ttyS0

Id=petrifyd.service
CPUUsageNSec=2500000000
ActiveEnterTimestampMonotonic=9000000

Id=multi-user.target
ActiveEnterTimestampMonotonic=9500000

bench login: UserspaceTimestampMonotonic=4000000

003fc000-7ffd [rollup]
Rss:               46712 kB
Pss:               46704 kB
Private_Dirty:     16892 kB
BENCH-AGENT-END
`;

test("what a machine says of its agent is read from its console", () => {
  assert.deepEqual(agentFigures(CONSOLE.replaceAll("\n", "\r\n")), {
    ...{ cpu: 2.5, answers: 5, multiUser: 5.5 },
    ...{ resident: 46_712 * 1024, private: 16_892 * 1024 },
  });
});

test("a console that does not say all of it is no measurement", () => {
  for (const name of ["CPUUsageNSec", "Rss", "UserspaceTimestampMonotonic", "Id=multi-user"])
    assert.throws(() => agentFigures(CONSOLE.replace(name, "Other")), { code: "AGENT_UNCLEAR" }, name);
});
