/**
 * Asks the server that it came from for tasks, lets the artifact's own worker do them, one after the other, and tells
 * what came of each, which is answered by the next task. A task and an answer are a line of JSON, and bytes behind it.
 */

import { connect } from "/page/model.js";

const here = (name) => new URL(name, import.meta.url);
const call = connect(here("tasks.js").href);

let response = await fetch(here("task"));
for (;;) {
  while (response.status === 204) response = await fetch(here("task")); // there was nothing to do for a while
  const [task, bytes] = parsed(await response.arrayBuffer());
  let body;
  try {
    const [value, ...parts] = await call(task.method, task, bytes);
    body = [JSON.stringify(value), "\n", ...parts];
  } catch (error) {
    body = [JSON.stringify({ error: error.message }), "\n"];
  }
  response = await fetch(here("answer"), { method: "POST", body: new Blob(body) });
}

function parsed(buffer) {
  const bytes = new Uint8Array(buffer);
  const end = bytes.indexOf(10);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), buffer.slice(end + 1)];
}
