// A worker for inflight: counts the words of each item. Replace work() with your own.

import { createInterface } from "node:readline";

function work(item) {
  return { text: item, words: item.split(/\s+/).filter(Boolean).length };
}

async function answer({ id, item }) {
  try {
    return { id, result: await work(item) };
  } catch (error) { // this item becomes a dead letter; the next one is another matter
    return { id, error: String(error) };
  }
}

console.log(JSON.stringify({ version: 1, batch: 256 }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await Promise.all(JSON.parse(line).map(answer))));
}
