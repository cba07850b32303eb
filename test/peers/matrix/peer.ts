import { Client, type ClientOptions } from '../../../lib/index.js'
import type { Identity } from '../../servers/certificates.js'

/** What all servers of the matrix share. */
export interface Setting {
  /** The files that they serve, and their certificates. */
  readonly folder: string
  readonly big: Buffer
  readonly ca: Identity
  /** What a client shows of itself. */
  readonly client: Identity
  /** Node's service, which is behind the proxies. */
  readonly origin: number
  /** Sends back what it gets, by TCP. */
  readonly echo: number
}

/** A server that runs. */
export interface Peer {
  readonly version: string
  /** Where most cases go. */
  readonly url: string
  /** TLS, by the names of localhost and other.example. */
  readonly secure?: string
  /** TLS for clients with a certificate only. */
  readonly mutual?: string
  /** Ends connections that idle for 200 ms (Bun: some seconds), and after three requests where the server can. */
  readonly short?: string
  readonly socketPath?: string
  /** Where CONNECT goes. */
  readonly connect?: string
  /** Makes it reload its configuration, so that it answers with this `x-generation`. */
  reload?(generation: number): Promise<void>
  stop(): Promise<void>
}

/** What a server is known to get wrong. The case must fail as told in one of a few tries: that it does not fails the run. */
export interface Defect {
  /** What the failure says. */
  readonly error: RegExp
  /** What is wrong, and how to see it. */
  readonly because: string
}

/** A row of the matrix. */
export interface Server {
  readonly name: string
  /** How it refuses a head that is too long: by which status, from which size on. */
  readonly headLimit: { readonly bytes: number; readonly status: number }
  /** Cases it has no means for, `capability: name`, with the reason. */
  readonly lacks: Readonly<Record<string, string>>
  readonly defects?: Readonly<Record<string, Defect>>
  /** Why it can not run here, or false. */
  missing(): Promise<string | false>
  start(setting: Setting): Promise<Peer>
}

/** What a case gets. */
export interface Scene {
  readonly server: Server
  readonly peer: Peer
  readonly setting: Setting
}

export type Case = (scene: Scene) => Promise<void>

/** A case with a Client, which is destroyed after it. */
export function byClient(use: (client: Client, scene: Scene) => Promise<void>, options: ClientOptions = {}): Case {
  return (scene) => withClient(scene, { url: scene.peer.url, options }, (client) => use(client, scene))
}

export async function withClient<Result>(
  { setting }: Scene,
  part: { url: string | undefined; options?: ClientOptions },
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  if (part.url === undefined) throw new Error('the server does not listen for this')
  const { connect } = part.options ?? {}
  const tls = typeof connect === 'object' ? connect : {}
  const client = new Client(part.url, { ...part.options, connect: { ca: setting.ca.cert, ...tls } } as ClientOptions)
  try {
    return await use(client)
  } finally {
    await client.destroy()
  }
}

export async function text(client: Client, path: string, options: object = {}): Promise<string> {
  const { body } = await client.request({ path, method: 'GET', ...options })
  return body.text()
}
