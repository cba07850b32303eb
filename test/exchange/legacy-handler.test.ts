import t from 'tap'
import { adaptHandler } from '../../lib/exchange/legacy-handler.js'

const nothing = () => {}
const elder = { onConnect: nothing, onHeaders: () => true, onData: () => true, onComplete: nothing, onError: nothing }

t.test('recognizes current and legacy handlers', async (t) => {
  const newer = { onRequestStart: nothing, onResponseError: nothing }
  t.equal(adaptHandler(newer, false), newer, 'a current handler is used unchanged')
  t.not(adaptHandler(elder, false), elder, 'a legacy handler is wrapped')

  // Node 24's built-in `fetch`: legacy, with one current callback in addition.
  const errors: unknown[] = []
  const between = {
    ...elder,
    onUpgrade: nothing,
    onRequestUpgrade: nothing,
    onError: (error: Error) => errors.push(error),
  }
  for (const upgrade of [false, true]) {
    const adapted = adaptHandler(between, upgrade)
    t.not(adapted, between)
    adapted.onResponseError?.({} as never, new Error('failed'))
  }
  t.match(errors, [{ message: 'failed' }, { message: 'failed' }])

  const both = { ...elder, ...newer }
  t.equal(adaptHandler(both, false), both, 'a handler with all callbacks of both forms is a current one')
})

t.test('passes headers given as buffers or as an object to a legacy handler', async (t) => {
  const heads: unknown[] = []
  const adapted = adaptHandler({ ...elder, onHeaders: (...head: unknown[]) => heads.push(head[1]) > 0 } as never, false)
  const startResponse = (rawHeaders: unknown) =>
    adapted.onResponseStart?.({ rawHeaders } as never, 200, { 'x-other': '1' }, 'OK')
  const buffers = [Buffer.from('x-a'), Buffer.from('1')]
  for (const raw of [buffers, ['x-a', '1'], { 'x-a': '1' }]) startResponse(raw)
  t.strictSame(heads, [buffers, buffers, buffers])
  startResponse(null)
  t.strictSame(heads[3], [Buffer.from('x-other'), Buffer.from('1')])
})

t.test('the error for a handler without an error callback names the one of its form', async (t) => {
  const missing = (handler: object) => () => adaptHandler(handler as never, false)
  for (const handler of [{}, { onResponseData: nothing }, { onResponseEnd: nothing }, { onResponseStart: nothing }]) {
    t.throws(missing(handler), { code: 'UND_ERR_INVALID_ARG', message: 'handler.onResponseError must be a function' })
  }
  for (const handler of [{ onConnect: nothing }, { onHeaders: nothing }, { onData: nothing }]) {
    t.throws(missing(handler), { code: 'UND_ERR_INVALID_ARG', message: 'handler.onError must be a function' })
  }
})
