// @elastic/elasticsearch 8 and 9 (`SCRIPT URL CASE MAJOR`): helpers, searches, errors.
import assert from 'node:assert/strict'
import { documents, run } from './common.mjs'

const major = process.argv[4]
const { Client, errors } = await import(`es${major}`)
const name = (index) => `js${major}-${index}`

async function filled (url, index, count) {
  const client = new Client({ node: url })
  const done = await client.helpers.bulk({
    datasource: documents(count), onDocument: () => ({ create: { _index: index } }), refreshOnCompletion: index
  })
  assert.equal(done.successful, count)
  return client
}

await run({
  async product (url) {
    const client = new Client({ node: url })
    assert.equal(await client.ping(), true)
    assert.equal((await client.info()).tagline, 'You Know, for Search')
    assert.equal((await client.cluster.health({ wait_for_status: 'yellow' })).timed_out, false)
  },
  async bulk (url) {
    const client = await filled(url, name('bulk'), 1200)
    assert.equal((await client.count({ index: name('bulk') })).count, 1200)
    const dropped = []
    const done = await client.helpers.bulk({
      datasource: documents(3), onDocument: (doc) => ({ create: { _index: doc.n === 1 ? 'Upper' : name('bulk') } }), onDrop: (doc) => dropped.push(doc)
    })
    assert.deepEqual([done.successful, done.failed, dropped.length], [2, 1, 1])
    assert.equal(dropped[0].status, 400)
    assert.equal(dropped[0].error.type, 'invalid_index_name_exception')
  },
  async search (url) {
    const index = name('search')
    const client = await filled(url, index, 30)
    const found = await client.search({
      index, size: 2, sort: [{ n: 'desc' }], _source: ['n'], query: { match: { message: 'disk' } }, aggs: { l: { terms: { field: 'level' } } }
    })
    assert.deepEqual(found.hits.total, { value: 30, relation: 'eq' })
    assert.deepEqual(found.hits.hits.map((hit) => hit._source), [{ n: 29 }, { n: 28 }])
    assert.deepEqual(found.aggregations.l.buckets.map((b) => b.doc_count), [10, 10, 10])
    const all = await client.helpers.search({ index, size: 30, query: { term: { level: 'warn' } } })
    assert.equal(all.length, 10)
  },
  async msearch (url) {
    const index = name('msearch')
    const client = await filled(url, index, 30)
    const many = client.helpers.msearch({ operations: 2 })
    const asked = [0, 1, 2].map((n) => many.search({ index }, { query: { term: { n } } }))
    const answers = await Promise.all(asked)
    await many.stop()
    assert.deepEqual(answers.map((a) => a.documents.map((d) => d.n)), [[0], [1], [2]])
  },
  async errors (url) {
    const client = await filled(url, name('errors'), 1)
    const failed = async (call) => call().then(() => assert.fail('no error'), (error) => error)
    let error = await failed(() => client.search({ index: name('none') }))
    assert.ok(error instanceof errors.ResponseError)
    assert.deepEqual([error.statusCode, error.body.error.type], [404, 'index_not_found_exception'])
    error = await failed(() => client.search({ index: name('errors'), query: { nonsense: {} } }))
    assert.deepEqual([error.statusCode, error.body.error.root_cause[0].reason], [400, 'unknown query [nonsense]'])
    assert.equal(await client.indices.exists({ index: name('none') }), false)
    assert.equal(await client.indices.exists({ index: name('errors') }), true)
  },
  async compressed (url) {
    const index = name('compressed')
    await filled(url, index, 30)
    const client = new Client({ node: url, compression: true })
    const found = await client.search({ index, size: 30, query: { term: { level: 'warn' } } })
    assert.equal(found.hits.hits.length, 10)
  },
  async scroll (url) {
    const index = name('scroll')
    const client = await filled(url, index, 700)
    const seen = []
    for await (const doc of client.helpers.scrollDocuments({ index, size: 200, query: { match_all: {} } })) seen.push(doc.n)
    assert.deepEqual(seen.sort((a, b) => a - b), Array.from({ length: 700 }, (_, n) => n))
  },
  async asyncSearch (url) {
    const index = name('async')
    const client = await filled(url, index, 30)
    const found = await client.asyncSearch.submit({ index, size: 0, keep_on_completion: true, wait_for_completion_timeout: '10s' })
    assert.equal(found.response.hits.total.value, 30)
    assert.equal((await client.asyncSearch.get({ id: found.id })).is_running, false)
    assert.equal((await client.asyncSearch.delete({ id: found.id })).acknowledged, true)
  }
})
