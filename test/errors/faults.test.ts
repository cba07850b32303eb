import t from 'tap'
import { faultOf, isServerFailure, markCallerFault } from '../../lib/errors/faults.js'
import { errors } from '../../lib/index.js'

const coded = (code: unknown, more: object = {}) => Object.assign(new Error('x'), { code, ...more })

t.test('classifies the documented codes of other libraries as the classes with these codes', async (t) => {
  let known = 0
  for (const Class of Object.values(errors) as { code?: string; fault?: string }[]) {
    const { code, fault } = Class
    if (code === undefined || fault === undefined || code === 'UND_ERR') continue
    if (!code.startsWith('UND_ERR')) continue
    t.equal(faultOf(coded(code)), fault, code)
    known++
  }
  t.ok(known > 15)
  t.equal(faultOf(coded('HPE_INVALID_CONSTANT')), 'peer')
  t.equal(faultOf(coded('ECONNRESET', { syscall: 'read' })), 'network')
})

t.test('classifies only codes of the system, of TLS and of certificates as network', async (t) => {
  const network = ['ECONNRESET', 'EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS_CERT_ALTNAME_INVALID']
  const certificates = ['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']
  for (const code of [...network, ...certificates]) t.equal(faultOf(coded(code)), 'network', code)
  for (const code of ['ERR_TLS_INVALID_PROTOCOL_VERSION', 'ERR_INVALID_ARG_TYPE', 'ERR', 'Z_DATA_ERROR', 'E']) {
    t.equal(faultOf(coded(code)), undefined, code)
  }
})

t.test('other errors have no fault', async (t) => {
  for (const one of [new Error('x'), coded(20), coded('ERR_X'), coded('X', { fault: 'Server' }), null, 'text', 1]) {
    t.equal(faultOf(one), undefined)
  }
})

t.test('an error whose properties throw has no fault', async (t) => {
  const { proxy, revoke } = Proxy.revocable(new Error(), {})
  revoke()
  const get = () => {
    throw new Error('read')
  }
  for (const one of [proxy, Object.defineProperty(new Error(), 'code', { get })]) {
    t.equal(faultOf(one), undefined)
    t.equal(isServerFailure(one, true), false)
  }
  const late = Object.defineProperty(coded('UND_ERR_BODY_TIMEOUT'), 'phase', { get })
  t.equal(isServerFailure(late, false), true)
})

t.test('an error that the caller caused is not a server failure, whatever its class and code', async (t) => {
  const socket = new errors.SocketError('closed')
  const reset = coded('ECONNRESET', { syscall: 'read' })
  for (const error of [socket, reset]) {
    t.equal(isServerFailure(error, false), true)
    markCallerFault(error)
    t.equal(faultOf(error), 'user')
    t.equal(isServerFailure(error, false), false)
  }
  markCallerFault('text')
  markCallerFault(null)
})

t.test('a server failure is a lost connection, a bad response or a timeout after the queue', async (t) => {
  const failures = [
    new errors.SocketError('closed'),
    new errors.HeadersTimeoutError(),
    new errors.TotalTimeoutError(),
    Object.assign(new errors.TotalTimeoutError(), { phase: 'connect' }),
    new errors.HTTPParserError('x'),
    new errors.RequestRetryError('x', 500),
    coded('ECONNREFUSED', { syscall: 'connect' }),
    new Error('of a connector'),
  ]
  for (const error of failures) t.equal(isServerFailure(error, false), true, String(error))
  const others = [
    new errors.RequestAbortedError(),
    new errors.ClientDestroyedError(),
    new errors.QueueFullError(),
    Object.assign(new errors.QueueTimeoutError(), { phase: 'queued' }),
    Object.assign(new errors.TotalTimeoutError(), { phase: 'queued' }),
    new errors.InvalidArgumentError(),
  ]
  for (const error of others) t.equal(isServerFailure(error, false), false, String(error))
  t.equal(isServerFailure(new Error('by the caller'), true), false)
  t.equal(isServerFailure(coded('UND_ERR_HEADERS_TIMEOUT'), true), true, 'an aborted request that timed out counts')
})
