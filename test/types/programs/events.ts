import { once } from 'node:events'
import { Client, type Dispatcher, type errors, type Pool } from 'undici'

type Report = (line: string) => void

export function watch(dispatcher: Dispatcher, report: Report): () => void {
  const onConnect = (origin: URL, targets: readonly Dispatcher[]): void => report(`+ ${origin.host} ${targets.length}`)
  const onDisconnect = (origin: URL, _targets: readonly Dispatcher[], error: errors.UndiciError): void =>
    report(`- ${origin.host} ${error.code}`)
  dispatcher.on('connect', onConnect).on('disconnect', onDisconnect).on('connectionError', onDisconnect)
  dispatcher.once('drain', (origin) => report(origin.href))
  return () => {
    dispatcher.off('connect', onConnect)
    dispatcher.removeListener('disconnect', onDisconnect).removeListener('connectionError', onDisconnect)
  }
}

const client = new Client('http://localhost')
client.on('connect', (origin) => origin.searchParams)
client.prependListener('disconnect', (_origin, [first], error) => void [first?.listenerCount('drain'), error.message])
client.addListener('connectionError', (...values) => values[2].stack)

export const listeners: number = client.listeners('connect').length + client.rawListeners('drain').length
export const emitted: boolean = client.emit('connect', new URL('http://localhost'), [client])

export async function drained(pool: Pool): Promise<void> {
  if (pool.dispatch({ path: '/', method: 'GET' }, { onResponseError() {} })) return
  await once(pool, 'drain')
}

// @ts-expect-error: there is no such event
client.on('conect', () => {})
// @ts-expect-error: an origin is a URL
client.on('drain', (origin: string) => origin)
