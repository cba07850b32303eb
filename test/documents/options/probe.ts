import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { Dispatcher } from '../../../lib/index.js'
import { httpOrigin, type Origin, rawOrigin } from '../../servers/origin.js'

/** Shows the effect of an option: an observation without it, and one with it. */
export interface Probe {
  given: unknown
  without: string
  with: string
  /** Observes the effect of `options`: empty, or with the option. */
  observe(options: Record<string, unknown>): Promise<string>
}

export const get = { path: '/', method: 'GET' } as const

/** Runs `use` with an HTTP origin, and closes that. */
export async function served(listener: RequestListener, use: (origin: Origin) => Promise<string>): Promise<string> {
  return closing(await httpOrigin(listener), use)
}

/** Runs `use` with a TCP server, and closes that. */
export async function servedRaw(
  onConnection: (socket: Socket, index: number) => void,
  use: (origin: Origin) => Promise<string>,
): Promise<string> {
  return closing(await rawOrigin(onConnection), use)
}

async function closing(origin: Origin, use: (origin: Origin) => Promise<string>): Promise<string> {
  try {
    return await use(origin)
  } finally {
    await origin.close()
  }
}

/** Returns the body of the response, or code or message of the error. */
export async function answer(dispatcher: Dispatcher, options: object): Promise<string> {
  try {
    const { body } = await dispatcher.request({ ...get, ...options })
    return await body.text()
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    return code ?? message
  }
}

/** Runs `use` with a dispatcher, and destroys that. */
export async function using<Made extends { destroy(): Promise<void> }>(
  dispatcher: Made,
  use: (dispatcher: Made) => Promise<string>,
): Promise<string> {
  try {
    return await use(dispatcher)
  } finally {
    await dispatcher.destroy()
  }
}
