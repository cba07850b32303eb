import net from 'node:net'
import tls from 'node:tls'
import { WrongResponse } from '../harness/check.js'
import type { BenchClient, Done, Session, Setup } from '../harness/client-session.js'
import { type Scenario, scenarioOf } from '../origin/scenarios.js'
import { urlOf } from './node-http.js'

const READ_BUFFER_SIZE = 65_536

/**
 * Raw socket baseline: the minimum that any client must do. Sockets read into one buffer, write prepared requests and count
 * response bytes; all responses are identical. The first response of each connection is compared byte by byte.
 */
export const rawSockets: BenchClient = {
  name: 'baseline',
  role: 'baseline',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  open: async (setup) => new RawSocketSession(setup),
}

class RawSocketSession implements Session {
  readonly #setup: Setup
  readonly #available: RawConnection[] = []
  readonly #connections = new Set<RawConnection>()
  readonly #queued: Done[] = []
  readonly #scenario: Scenario

  constructor(setup: Setup) {
    this.#setup = setup
    this.#scenario = scenarioOf(setup.scenario)
  }

  send(done: Done): void {
    const connection = this.#available.at(-1) ?? this.#open()
    if (connection === null) this.#queued.push(done)
    else connection.send(done)
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
  }

  #open(): RawConnection | null {
    const { connections, pipelining, urls } = this.#setup
    if (this.#connections.size >= connections) return null
    const listener: ConnectionListener = {
      onFull: () => void this.#available.pop(),
      onAvailable: (connection) => {
        this.#available.push(connection)
        while (this.#queued.length > 0 && this.#available.at(-1) === connection)
          connection.send(this.#queued.pop() as Done)
      },
      onClosed: (connection) => {
        this.#connections.delete(connection)
        if (this.#available.includes(connection)) this.#available.splice(this.#available.indexOf(connection), 1)
        const next = this.#queued.pop()
        if (next !== undefined) this.send(next)
      },
    }
    const url = urls[this.#connections.size % urls.length] ?? urlOf(this.#setup)
    const connection = new RawConnection({
      url,
      scenario: this.#scenario,
      width: this.#scenario.closes ? 1 : pipelining,
      listener,
    })
    this.#connections.add(connection)
    this.#available.push(connection)
    return connection
  }
}

interface ConnectionListener {
  /** The connection of the last {@link RawConnection.send} is at its pipelining limit. */
  onFull(): void
  onAvailable(connection: RawConnection): void
  onClosed(connection: RawConnection): void
}

/** One connection. */
class RawConnection {
  readonly #socket: net.Socket
  readonly #listener: ConnectionListener
  readonly #width: number
  readonly #scenario: Scenario
  readonly #request: string
  /** Repeated requests as one string, by their number. */
  readonly #requests: string[] = []
  /** Ring buffer of callbacks; its length is the pipelining limit. */
  readonly #callbacks: Done[] = []
  #head = 0
  #count = 0
  #unwritten = 0
  #reading = false
  #scheduled = false
  #bytes = 0
  #compared = false
  #detached = false

  constructor(given: { url: string; scenario: Scenario; width: number; listener: ConnectionListener }) {
    const { url, scenario, width, listener } = given
    this.#listener = listener
    this.#width = width
    this.#scenario = scenario
    const { host, hostname, port, protocol } = new URL(url)
    const length = scenario.upload === null ? '' : `content-length: ${scenario.upload.length}\r\n`
    this.#request = `${scenario.method} / HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n${length}\r\n`
    const onread = { buffer: readBuffer, callback: (length: number) => this.#read(length) }
    const options = { host: hostname, port: Number(port), onread }
    // The types of tls.connect lack onread.
    this.#socket = protocol === 'https:' ? tls.connect(options as tls.ConnectionOptions) : net.connect(options)
    this.#socket.setNoDelay(true)
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('closed')))
  }

  send(done: Done): void {
    this.#callbacks[(this.#head + this.#count++) % this.#width] = done
    if (this.#count === this.#width) this.#listener.onFull()
    this.#unwritten++
    if (this.#reading || this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #write(): void {
    const count = this.#unwritten
    if (count === 0) return
    this.#unwritten = 0
    const { upload } = this.#scenario
    if (upload === null) {
      this.#requests[count] ??= this.#request.repeat(count)
      this.#socket.write(this.#requests[count], 'latin1')
      return
    }
    this.#socket.cork()
    for (let i = 0; i < count; i++) {
      this.#socket.write(this.#request, 'latin1')
      this.#socket.write(upload)
    }
    this.#socket.uncork()
  }

  #read(length: number): boolean {
    if (!this.#compared && !this.#compare(length)) return false
    const responseLength = this.#scenario.response.length
    this.#bytes += length
    this.#reading = true
    while (this.#bytes >= responseLength) {
      this.#bytes -= responseLength
      this.#onResponse()
    }
    this.#reading = false
    this.#write()
    return true
  }

  #onResponse(): void {
    const done = this.#callbacks[this.#head] as Done
    this.#head = (this.#head + 1) % this.#width
    const wasFull = this.#count-- === this.#width
    if (this.#scenario.closes) this.#detach()
    else if (wasFull) this.#listener.onAvailable(this)
    done(null)
  }

  #compare(length: number): boolean {
    const { response } = this.#scenario
    const end = Math.min(response.length, this.#bytes + length)
    this.#compared = end === response.length
    if (response.compare(readBuffer, 0, end - this.#bytes, this.#bytes, end) === 0) return true
    this.#fail(new WrongResponse(`wrong response: ${readBuffer.toString('latin1', 0, Math.min(length, 200))}`))
    return false
  }

  #fail(error: Error): void {
    const open = Array.from({ length: this.#count }, (_, i) => this.#callbacks[(this.#head + i) % this.#width] as Done)
    this.#count = 0
    this.#unwritten = 0
    this.#socket.destroy()
    for (const done of open) done(error)
    this.#detach()
  }

  #detach(): void {
    if (this.#detached) return
    this.#detached = true
    this.#socket.end()
    this.#listener.onClosed(this)
  }
}

/** Read buffer of all connections: it is used only within the callback. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE)
