// Loggers that write to Elasticsearch: every line is found once.
import assert from 'node:assert/strict'
import pino from 'pino'
import pinoElasticsearch from 'pino-elasticsearch'
import winston from 'winston'
import { ElasticsearchTransport } from 'winston-elasticsearch'
import { run, search, until } from './common.mjs'

const LINES = 250

await run({
  async pino (url) {
    const stream = pinoElasticsearch({ index: 'pino-%{DATE}', node: url, esVersion: 8, flushBytes: 10000 })
    const wrong = []
    for (const event of ['error', 'insertError', 'unknown']) stream.on(event, (error) => wrong.push(error))
    const logger = pino({ level: 'info' }, stream)
    for (let n = 0; n < LINES; n++) logger.info({ n, part: 'payment' }, `line ${n}`)
    logger.error(new Error('the disk is full'))
    stream.end()
    const query = { size: 300, track_total_hits: true, sort: [{ n: { order: 'asc', unmapped_type: 'long' } }] }
    const found = await until(() => search(url, 'pino-*', query), (answer) => answer.hits.total.value >= LINES + 1)
    assert.equal(found.hits.total.value, LINES + 1)
    assert.deepEqual(found.hits.hits.slice(0, LINES).map((hit) => hit._source.msg), Array.from({ length: LINES }, (_, n) => `line ${n}`))
    const failed = await search(url, 'pino-*', { query: { term: { level: 50 } } })
    assert.equal(failed.hits.hits[0]._source.err.message, 'the disk is full')
    assert.deepEqual(wrong, [])
  },
  async winston (url) {
    const transport = new ElasticsearchTransport({
      level: 'info', clientOpts: { node: url }, indexPrefix: 'winston', flushInterval: 100, ensureIndexTemplate: false, healthCheckTimeout: '5s'
    })
    const wrong = []
    const logger = winston.createLogger({ transports: [transport] })
    for (const source of [transport, logger]) source.on('error', (error) => wrong.push(error))
    for (let n = 0; n < LINES; n++) logger.info(`line ${n}`, { n })
    logger.error('the disk is full')
    await until(() => search(url, 'winston-*', { size: 0, track_total_hits: true }), (answer) => answer.hits.total.value >= LINES + 1)
    await transport.flush()
    const found = await search(url, 'winston-*', { size: 300, track_total_hits: true })
    assert.equal(found.hits.total.value, LINES + 1)
    const texts = new Set(found.hits.hits.map((hit) => hit._source.message))
    assert.equal(texts.size, LINES + 1)
    const failed = await search(url, 'winston-*', { query: { term: { severity: 'error' } } })
    assert.deepEqual(failed.hits.hits.map((hit) => hit._source.message), ['the disk is full'])
    assert.deepEqual(wrong, [])
  },
  // It asks for its template first, and would put it if its client told it that there is none.
  async winstonTemplate (url) {
    const transport = new ElasticsearchTransport({ level: 'info', clientOpts: { node: url }, indexPrefix: 'winston-template', flushInterval: 100 })
    const wrong = []
    const logger = winston.createLogger({ transports: [transport] })
    for (const source of [transport, logger]) source.on('error', (error) => wrong.push(error))
    logger.info('one line')
    await until(() => search(url, 'winston-template-*', {}), (answer) => answer.hits.total.value === 1)
    assert.deepEqual(wrong, [])
  }
})
