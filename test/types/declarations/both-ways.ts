/** Types of sluice are assignable where undici declares its own, and vice versa. Compiled, never run. */

import * as ours from 'sluice'
import * as theirs from 'undici'
import type * as node from 'undici-types'

interface Made {
  dispatcher: ours.Dispatcher
  client: ours.Client
  pool: ours.Pool
  balanced: ours.BalancedPool
  turns: ours.RoundRobinPool
  agent: ours.Agent
  proxy: ours.ProxyAgent
  environment: ours.EnvHttpProxyAgent
  retrying: ours.RetryAgent
  composed: ours.Dispatcher.ComposedDispatcher
}

export function dispatchers(made: Made): theirs.Dispatcher[] {
  return Object.values(made) as Made[keyof Made][]
}

export function ofNode(made: Made): node.Dispatcher[] {
  return Object.values(made) as Made[keyof Made][]
}

export function classes(made: Made): unknown[] {
  const client: theirs.Client = made.client
  const pool: theirs.Pool = made.pool
  const balanced: theirs.BalancedPool = made.balanced
  const turns: theirs.RoundRobinPool = made.turns
  const agent: theirs.Agent = made.agent
  const proxy: theirs.ProxyAgent = made.proxy
  return [client, pool, balanced, turns, agent, proxy]
}

export async function fetched(made: Made): Promise<void> {
  for (const dispatcher of Object.values(made) as Made[keyof Made][]) {
    const init: RequestInit = { dispatcher }
    await fetch('http://localhost', init)
    await fetch('http://localhost', { dispatcher: dispatcher.compose(ours.interceptors.retry()) })
    await theirs.fetch('http://localhost', { dispatcher })
    await theirs.request('http://localhost', { dispatcher })
  }
  theirs.setGlobalDispatcher(made.agent)
}

export async function given(
  dispatcher: theirs.Dispatcher,
  others: (theirs.Client | theirs.Pool | theirs.BalancedPool | theirs.RoundRobinPool | theirs.Agent)[],
): Promise<ours.Dispatcher[]> {
  const taken: ours.Dispatcher[] = [dispatcher, ...others, new ours.RetryAgent(dispatcher)]
  for (const one of taken) await ours.request('http://localhost', { dispatcher: one })
  await ours.request('http://localhost', { dispatcher })
  ours.setGlobalDispatcher(dispatcher)
  return taken
}

/** In pools of the other. */
export const pools: unknown[] = [
  new ours.Pool('http://localhost', { factory: (origin, options) => new theirs.Client(origin, options) }),
  new ours.Agent({ factory: (origin, options) => new theirs.Pool(origin, options) }),
  new ours.BalancedPool('http://localhost', { factory: (origin, options) => new theirs.Pool(origin, options) }),
  new theirs.Pool('http://localhost', { factory: (origin, options) => new ours.Client(origin, options) }),
  new theirs.Agent({ factory: (origin, options) => new ours.Pool(origin, options) }),
  new ours.Client('https://localhost', { connect: theirs.buildConnector({ timeout: 1 }) }),
  new theirs.Client('https://localhost', { connect: ours.buildConnector({ timeout: 1 }) }),
]

const theirInterceptors = [
  theirs.interceptors.retry(),
  theirs.interceptors.redirect(),
  theirs.interceptors.dump(),
  theirs.interceptors.dns(),
  theirs.interceptors.cache(),
]
const ourInterceptors = [
  ours.interceptors.retry(),
  ours.interceptors.redirect(),
  ours.interceptors.dump(),
  ours.interceptors.dns(),
  ours.interceptors.decompress(),
  ours.interceptors.responseError(),
]

export function composed(one: ours.Dispatcher, other: theirs.Dispatcher): unknown[] {
  const typed: ours.Dispatcher.DispatcherComposeInterceptor[] = theirInterceptors
  const back: theirs.Dispatcher.DispatcherComposeInterceptor[] = ourInterceptors
  return [one.compose(typed), one.compose(...theirInterceptors), other.compose(back), other.compose(...ourInterceptors)]
}

export function handled(
  one: ours.Dispatcher.DispatchHandler,
  own: ours.DispatchHandler,
  other: theirs.Dispatcher.DispatchHandler,
  controllers: [ours.DispatchController, ours.Dispatcher.DispatchController, theirs.Dispatcher.DispatchController],
): unknown[] {
  const both: theirs.Dispatcher.DispatchHandler[] = [one, own, new ours.DecoratorHandler(other)]
  const back: [ours.Dispatcher.DispatchHandler, ours.DispatchHandler] = [other, other]
  const toTheirs: theirs.Dispatcher.DispatchController[] = controllers
  const toOurs: ours.Dispatcher.DispatchController[] = controllers
  const request: ours.Dispatcher.DispatchOptions & theirs.Dispatcher.DispatchOptions = { path: '/', method: 'GET' }
  return [both, back, toTheirs, toOurs, new ours.RetryHandler(request, { dispatch: () => true, handler: other })]
}

export function optioned(
  options: ours.Dispatcher.DispatchOptions,
  others: theirs.Dispatcher.DispatchOptions,
): unknown[] {
  const back: theirs.Dispatcher.DispatchOptions = options
  const forth: ours.Dispatcher.DispatchOptions = others
  return [back, forth]
}
