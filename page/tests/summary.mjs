// A reporter of `node --test` that writes one line at the end, as cargo test writes it, for the counts of scripts/test.sh.

export default async function* summary(events) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const { type, data } of events) {
    if (type === "test:fail") counts.failed += 1;
    else if (type === "test:pass") counts[data.skip === undefined ? "passed" : "skipped"] += 1;
  }
  yield `test result: ${counts.passed} passed; ${counts.failed} failed; ${counts.skipped} skipped\n`;
}
