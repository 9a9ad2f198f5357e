// What the cases of all JavaScript clients share: documents, checks, and the way to run one case.
import assert from 'node:assert/strict'

export const START_MS = 1714557600000 // 2024-05-01T10:00:00Z

export function documents (count) {
  return Array.from({ length: count }, (_, n) => ({
    '@timestamp': START_MS + n * 1000, n, level: ['error', 'warn', 'info'][n % 3], message: `line ${n} of the disk`
  }))
}

// Asks until `done` says that it has what it wants; the test's own timeout ends it otherwise.
export async function until (ask, done) {
  for (;;) {
    const answer = await ask()
    if (done(answer)) return answer
  }
}

export async function search (url, index, body) {
  const answer = await fetch(`${url}/${index}/_search?ignore_unavailable=true`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  return answer.json()
}

// `SCRIPT URL CASE`: runs one of the functions.
export async function run (cases) {
  const [url, name] = process.argv.slice(2)
  try {
    await cases[name](url)
    process.exit(0)
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}
