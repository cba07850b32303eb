import { Agent, Client, interceptors, Pool } from 'undici'

/** The runtime's own fetch. */
const agent = new Agent({ connections: 1 })
export const client = new Client('http://localhost')
export const pool = new Pool('http://localhost')
export const composed = agent.compose(interceptors.dump())

// @ts-expect-error: what fetch sends through is a dispatcher
export const wrong = fetch('http://localhost', { dispatcher: {} })
