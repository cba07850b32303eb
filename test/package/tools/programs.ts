/** Module under test: sends a request through the object that `require` returns, where mocks replace the function. */
const GET = `const sluice = require('sluice')
exports.get = async (url) => {
  const { statusCode, body } = await sluice.request(url)
  return statusCode + ' ' + (await body.text())
}
`

const SERVER = `const server = require('node:http').createServer((_request, response) => response.end('hello'))
const listening = new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = () => 'http://127.0.0.1:' + server.address().port
const closed = async () => {
  await sluice.getGlobalDispatcher().destroy()
  sluice.setGlobalDispatcher(new sluice.Agent())
  await new Promise((resolve) => server.close(resolve))
}
const answer = (statusCode, text) => ({ statusCode, body: { text: async () => text } })
`

const JEST = `const sluice = require('sluice')
const { Client } = require('sluice/client')
const { get } = require('./get.js')
${SERVER}
beforeAll(() => listening)
afterAll(closed)
test('sends a request', async () => expect(await get(url())).toBe('200 hello'))
test('has one copy', () => expect(Client).toBe(sluice.Client))
test('has a default export', () => expect(sluice.default.request).toBe(sluice.request))
test('throws errors of the sandbox', async () => {
  expect(() => new sluice.Pool('localhost:1')).toThrow(Error)
  await expect(sluice.request('nonsense')).rejects.toBeInstanceOf(sluice.errors.InvalidArgumentError)
  await expect(get('http://127.0.0.1:1')).rejects.toThrow(/ECONNREFUSED/)
})
test('can be mocked', async () => {
  const spy = jest.spyOn(sluice, 'request').mockResolvedValue(answer(201, 'mocked'))
  expect(await get('http://unused')).toBe('201 mocked')
  spy.mockRestore()
  expect(await get(url())).toBe('200 hello')
})
`

const AUTOMOCK = `jest.mock('sluice')
const sluice = require('sluice')
const { get } = require('./get.js')
test('can be mocked as a module', async () => {
  sluice.request.mockResolvedValue({ statusCode: 202, body: { text: async () => 'mocked' } })
  expect(await get('http://unused')).toBe('202 mocked')
})
`

const MOCHA = `const assert = require('node:assert')
const sinon = require('sinon')
const proxyquire = require('proxyquire')
const sluice = require('sluice')
const { get } = require('./get.js')
${SERVER}
before(() => listening)
after(closed)
it('sends a request', async () => assert.equal(await get(url()), '200 hello'))
it('has one copy', async () => {
  assert.equal((await import('sluice')).Client, sluice.Client)
  assert.equal(require('sluice/client').Client, sluice.Client)
})
it('sinon replaces a function', async () => {
  const stub = sinon.stub(sluice, 'request').resolves(answer(201, 'stub'))
  assert.equal(await get('http://unused'), '201 stub')
  stub.restore()
  assert.equal(await get(url()), '200 hello')
})
it('sinon replaces a method', async () => {
  const stub = sinon.stub(sluice.Client.prototype, 'request').resolves(answer(202, 'stub'))
  assert.equal((await new sluice.Client('http://unused').request({ path: '/', method: 'GET' })).statusCode, 202)
  stub.restore()
  assert.ok(sinon.createStubInstance(sluice.Pool) instanceof sluice.Pool)
})
it('proxyquire replaces the module', async () => {
  const { get } = proxyquire('./get.js', { sluice: { request: async () => answer(203, 'proxied') } })
  assert.equal(await get('http://unused'), '203 proxied')
})
`

const VITEST = `import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import sluice, { Agent, Client, request } from 'sluice'
import { Client as same } from 'sluice/client'
test('sends a request', async () => {
  const server = createServer((_request, response) => response.end('hello'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dispatcher = new Agent()
  const { body } = await request('http://127.0.0.1:' + server.address().port, { dispatcher })
  expect(await body.text()).toBe('hello')
  await dispatcher.close()
  server.close()
})
test('has one copy', () => expect([same, sluice.Client]).toEqual([Client, Client]))
`

const VITEST_MOCK = `import { expect, test, vi } from 'vitest'
import { request } from 'sluice'
vi.mock('sluice', () => ({ request: async () => ({ statusCode: 204 }) }))
test('can be mocked', async () => expect((await request('http://unused')).statusCode).toBe(204))
`

const TS_NODE = `import sluice, { type Dispatcher, request } from 'sluice'
import { Client } from 'sluice/client'
const method: Dispatcher.HttpMethod = 'GET'
request('http://127.0.0.1:1', { method }).catch((error: NodeJS.ErrnoException) => {
  console.log(error.code, Client === sluice.Client)
})
`

/** Files of the project in which the tools run, by path. */
export const files: Readonly<Record<string, string>> = {
  'get.js': GET,
  'requests.test.js': JEST,
  'automock.test.js': AUTOMOCK,
  'mocha.js': MOCHA,
  'vitest/requests.test.mjs': VITEST,
  'vitest/mock.test.mjs': VITEST_MOCK,
  'main.ts': TS_NODE,
}

/** Program of a tool: arguments after the script, relative to the project, and what its output contains if it passes. */
export interface Tool {
  readonly script: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly passes: RegExp
  /** Whether it runs on each Node, not only the running one. */
  readonly everywhere?: boolean
}

const tsNode = (options: Record<string, unknown>): Tool => ({
  script: 'ts-node/dist/bin.js',
  args: ['main.ts'],
  env: { TS_NODE_COMPILER_OPTIONS: JSON.stringify(options) },
  passes: /^ECONNREFUSED true$/m,
})

export const tools: Readonly<Record<string, Tool>> = {
  'jest, CommonJS': {
    script: 'jest/bin/jest.js',
    args: ['--rootDir', '.', '--testMatch', '**/*.test.js'],
    passes: /^Tests: +6 passed, 6 total$/m,
    everywhere: true,
  },
  'mocha, sinon and proxyquire': {
    script: 'mocha/bin/mocha.js',
    args: ['mocha.js'],
    passes: /^ +5 passing/m,
    everywhere: true,
  },
  vitest: {
    script: 'vitest/vitest.mjs',
    args: ['run', '--root', '.', '--dir', 'vitest'],
    passes: /Tests +3 passed \(3\)/,
  },
  'ts-node, module commonjs': tsNode({ module: 'commonjs', esModuleInterop: true }),
  'ts-node, module commonjs without interop': tsNode({ module: 'commonjs', allowSyntheticDefaultImports: true }),
  'ts-node, module node16': tsNode({ module: 'node16', moduleResolution: 'node16' }),
  'ts-node, module nodenext': tsNode({ module: 'nodenext', moduleResolution: 'nodenext' }),
}
