// Follows a stream of events as a browser does: with EventSource (npm, by its author's account the
// whole of the WHATWG specification), which connects again by itself and says where it was.
//
//   follow.mjs URL TOKEN TYPE...
//
// Prints a line of JSON for each event of these types, {"id", "type", "data"}, and {"opened": N} for the Nth
// connection. Runs until it is stopped. It must run with the folder of node_modules in
// VITALEDGER_TEST_NODE.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.VITALEDGER_TEST_NODE, "here.js"));
const { EventSource } = await import(pathToFileURL(require.resolve("eventsource")));
const [url, token, ...types] = process.argv.slice(2);

// A browser has cookies; this is the one thing that the author of the library lets one add.
const withToken = (input, init) =>
  fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });

let opened = 0;
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const source = new EventSource(url, { fetch: withToken });
source.onopen = () => tell({ opened: ++opened });
for (const type of types) {
  source.addEventListener(type, (event) => tell({ id: event.lastEventId, type: event.type, data: event.data }));
}
source.onerror = (event) => {
  if (source.readyState === EventSource.CLOSED) {
    process.stderr.write(`${event.code ?? ""} ${event.message ?? ""}\n`);
    process.exit(1);
  }
};
